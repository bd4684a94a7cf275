-- graph and nngraph: nodes are proxies of the library's nodes; graph.Graph is written here.
local bridge = ...

local handles, anchored, metatables = bridge.handles, bridge.anchored, bridge.metatables
local to_python = bridge.to_python
local type, rawset, rawget = type, rawset, rawget

graph = {}

-- graph.Node, graph.Edge, graph.Graph: graphs of any data, as in the package graph

torch.class('graph.Node')
local Node = metatables['graph.Node']

function Node:__init(data)
  self.data, self.id, self.children, self.visited, self.marked = data, 0, {}, false, false
end

function Node:add(child)
  if type(child) == 'table' and not torch.typename(child) then
    for _, one in ipairs(child) do self:add(one) end
  elseif not self.children[child] then
    table.insert(self.children, child)
    self.children[child] = #self.children
  end
end

function Node:visit(before, after)
  if self.visited then return end
  if before then before(self) end
  for _, child in ipairs(self.children) do child:visit(before, after) end
  if after then after(self) end
end

function Node:label() return tostring(self.data) end

function Node:dfs_dirty(f)
  local visited = {}
  self:visit(function(node) node.visited = true end, function(node)
    f(node)
    visited[#visited + 1] = node
  end)
  return visited
end

function Node:dfs(f)
  for _, node in ipairs(self:dfs_dirty(f)) do node.visited = false end
end

function Node:bfs_dirty(f)
  local queue, first = { self }, 1
  self.marked = true
  while queue[first] do
    local node = queue[first]
    first = first + 1
    f(node)
    for _, child in ipairs(node.children) do
      if not child.marked then
        child.marked = true
        queue[#queue + 1] = child
      end
    end
  end
  return queue
end

function Node:bfs(f)
  for _, node in ipairs(self:bfs_dirty(f)) do node.marked = false end
end

function Node:graph()
  local g = graph.Graph()
  self:bfs(function(node)
    for _, child in ipairs(node.children) do g:add(graph.Edge(node, child)) end
  end)
  return g
end

local function reaches_itself(node, state)
  if state[node] == 'open' then return true end
  if state[node] then return false end
  state[node] = 'open'
  for _, child in ipairs(node.children) do
    if reaches_itself(child, state) then return true end
  end
  state[node] = 'done'
  return false
end

function Node:hasCycle() return reaches_itself(self, {}) end

torch.class('graph.Edge')
function graph.Edge:__init(from, to, weight) self.from, self.to, self.weight = from, to, weight end

torch.class('graph.Graph')
local Graph = metatables['graph.Graph']

function Graph:__init() self.nodes, self.edges = {}, {} end

local function register(list, item)
  if not list[item] then
    list[#list + 1] = item
    list[item] = #list
  end
end

function Graph:add(edge)
  if type(edge) ~= 'table' then error('graph.Edge or a table of them is expected', 2) end
  if not torch.typename(edge) then
    for _, one in ipairs(edge) do self:add(one) end
    return
  end
  register(self.edges, edge)
  register(self.nodes, edge.from)
  register(self.nodes, edge.to)
  edge.from:add(edge.to)
  edge.from.id, edge.to.id = self.nodes[edge.from], self.nodes[edge.to]
end

-- Returns a graph of new nodes with the same data, and the new node of each old one.
local function rebuilt(self, turned)
  local g, twins = graph.Graph(), {}
  for _, edge in ipairs(self.edges) do
    for _, node in ipairs { edge.from, edge.to } do
      twins[node] = twins[node] or node.new(node.data)
    end
    local from, to = twins[edge.from], twins[edge.to]
    if turned then from, to = to, from end
    g:add(edge.new(from, to))
  end
  return g, twins
end

function Graph:clone() return (rebuilt(self, false)) end
function Graph:reverse() return rebuilt(self, true) end

local function without(self, incoming)
  local excluded, found = {}, {}
  for _, edge in ipairs(self.edges) do excluded[incoming and edge.to or edge.from] = true end
  for _, node in ipairs(self.nodes) do
    if not excluded[node] then found[#found + 1] = node end
  end
  return found
end

function Graph:roots() return without(self, true) end
function Graph:leaves() return without(self, false) end

function Graph:hasCycle()
  local roots = self:roots()
  if #roots == 0 then return true end
  for _, root in ipairs(roots) do
    if root:hasCycle() then return true end
  end
  return false
end

-- Nodes in topological order: the reversed graph, depth first from all of its roots.
function Graph:topsort()
  local reversed, twins = self:reverse()
  local original = {}
  for node, twin in pairs(twins) do original[twin] = node end
  local roots = reversed:roots()
  if #roots == 0 then error('Graph has cycles', 2) end
  local start = roots[1]
  if #roots > 1 then
    start = graph.Node('root of all')
    for _, root in ipairs(roots) do start:add(root) end
  end
  local sorted = {}
  start:dfs(function(node) sorted[#sorted + 1] = original[node] end)
  if #sorted ~= #self.nodes then error('Graph has cycles', 2) end
  return sorted, reversed, roots
end

function graph._dotEscape(text)
  if not text:find('[^a-zA-Z]') then return text end
  return '"' .. text:gsub('\n', '\\n'):gsub('"', '\\"') .. '"'
end

function Graph:todot(title)
  if rawget(self, '_of') then return bridge.picture(self._of, self._which, title, 'nngraph') end
  local lines = { 'digraph G {\n' }
  if title then lines[#lines + 1] = 'labelloc="t";\nlabel="' .. title .. '";\n' end
  lines[#lines + 1] = 'node [shape = oval]; '
  for _, node in ipairs(self.nodes) do
    local name = node.graphNodeName and node:graphNodeName() or 'Node' .. node.id
    local attributes = ''
    if node.graphNodeAttributes then
      local keys = {}
      for key in pairs(node:graphNodeAttributes()) do keys[#keys + 1] = key end
      table.sort(keys)
      for _, key in ipairs(keys) do
        attributes = attributes .. ' ' .. key .. '='
          .. graph._dotEscape(tostring(node:graphNodeAttributes()[key]))
      end
    end
    lines[#lines + 1] = '\nn' .. node.id .. '[label='
      .. graph._dotEscape(name .. '\n' .. node:label()) .. attributes .. '];'
  end
  lines[#lines + 1] = '\n'
  for _, edge in ipairs(self.edges) do
    lines[#lines + 1] = 'n' .. edge.from.id .. ' -> n' .. edge.to.id .. ';\n'
  end
  lines[#lines + 1] = '}'
  return table.concat(lines)
end

local function write_pictures(source, file)
  bridge.write_file(file .. '.dot', bridge.render(source, 'dot'))
  bridge.write_file(file .. '.svg', bridge.render(source, 'svg'))
end

-- Writes `file`.svg and `file`.dot; there is no window to show a picture in.
function graph.dot(g, title, file)
  if file then write_pictures(g:todot(title), file) end
end

function graph.graphvizLayout(g, algorithm)
  return torch.Tensor(bridge.table_of(bridge.layout(g:todot(), algorithm or 'dot', #g.nodes)))
end
function graph.graphvizFile(g, algorithm, file)
  bridge.write_file(file, bridge.render(g:todot(), file:match('%a+$'), algorithm))
end

-- nngraph.Node

local NNNode = torch.class('nngraph.Node', 'graph.Node')
rawset(NNNode, '__init', nil)

-- Returns "file:line" of the innermost function that is not of the prelude.
local function place() return bridge.place() end

-- What a program reads and writes in node.data.
local function data_of(node)
  local annotations = bridge.node_annotations(handles[node])
  annotations._debugLabel = bridge.label(bridge.node_place(handles[node]))
  local data = { annotations = annotations }
  return setmetatable(data, {
    __index = function(_, key)
      local object = handles[node]
      if key == 'module' then return bridge.node_module(object) end
      if key == 'selectindex' then return (bridge.node_fields(object)) end
      if key == 'nSplitOutputs' then return (select(2, bridge.node_fields(object))) end
      if key == 'mapindex' then
        local inputs = bridge.node_inputs(object)
        for i, input in ipairs(inputs) do inputs[input.data] = i end
        local map = {}
        for i, input in ipairs(inputs) do map[i] = input.data map[input.data] = i end
        return map
      end
      return nil
    end,
  })
end

rawset(NNNode, '__index', function(self, key)
  local value = NNNode[key]
  if value ~= nil then return value end
  if key == 'data' then
    local data = data_of(self)
    rawset(self, 'data', data)
    anchored[self] = true
    return data
  elseif key == 'children' then
    local children = bridge.node_children(handles[self])
    for i, child in ipairs(children) do children[child] = i end
    return children
  elseif key == 'id' then
    return 0
  elseif key == 'visited' or key == 'marked' then
    return false
  end
end)
rawset(NNNode, '__newindex', function(self, key, value)
  rawset(self, key, value)
  anchored[self] = true
end)

function NNNode:annotate(annotations)
  for key, value in pairs(annotations) do self.data.annotations[key] = value end
  bridge.node_annotate(handles[self], to_python(annotations))
  return self
end

function NNNode:split(count)
  if type(count) ~= 'number' then
    error('split(' .. tostring(count) .. '): the number of parts is expected', 2)
  end
  local parts = { bridge.node_split(handles[self], count, place()) }
  local label = self.data.annotations._debugLabel
  if count > 1 then
    for i, part in ipairs(parts) do
      part.data.annotations._debugLabel = label .. '-' .. i
    end
  end
  return unpack(parts)
end

function NNNode:add(child, domap)
  -- As in nngraph, node:add(input) makes `input` the next input.
  bridge.node_add(handles[self], to_python(child))
end

function NNNode:label()
  local lines = {}
  local annotations = self.data.annotations
  if annotations.description then lines[1] = tostring(annotations.description) end
  local module = self.data.module
  if module then lines[#lines + 1] = 'module = ' .. tostring(module) end
  for _, key in ipairs { 'selectindex', 'nSplitOutputs' } do
    if self.data[key] then lines[#lines + 1] = key .. ' = ' .. self.data[key] end
  end
  return table.concat(lines, '\\l') .. '\\l'
end
function NNNode:graphNodeName() return self.data.annotations.name or 'Node' .. self.id end
function NNNode:graphNodeAttributes() return self.data.annotations.graphAttributes or {} end
function NNNode:__tostring__() return bridge.node_text(handles[self]) end
function NNNode:__sub__(module) return module(self) end
function NNNode:__call__()
  error('a node cannot be called: only a module is, module(node) or node - module', 2)
end

local function is_node(value) return torch.typename(value) == 'nngraph.Node' end

-- Refuses what is no node, at its place counted from 1.
local function check_nodes(values, what, level)
  local last = 0
  for key in pairs(values) do
    if type(key) == 'number' and key > last then last = key end
  end
  for i = 1, last do
    local value = values[i]
    if value == nil then
      error(what .. '[' .. i .. '] is nil (a misspelt name, or an index that does not exist?)', level)
    elseif not is_node(value) then
      local kind, reason = torch.type(value), ''
      if torch.isTypeOf(value, 'nn.Module') then
        reason = ', a module. Did you forget the second parentheses, which make a node of a module: '
          .. kind .. '(...)()?'
      end
      error(what .. '[' .. i .. '] should be a node, but is of type ' .. kind .. reason, level)
    end
  end
  return last
end

local function call_module(self, ...)
  local count = select('#', ...)
  if count > 1 then
    error('a module takes one node, or one table of nodes: {input1, input2}', 3)
  end
  local input = ...
  local object = to_python(self)
  if count == 0 then return bridge.node(object, nil, place()) end
  if input == nil then
    error('what should be a node is nil (a misspelt name, or an index that does not exist?)', 3)
  end
  if is_node(input) then return bridge.node(object, handles[input], place()) end
  if type(input) ~= 'table' or torch.typename(input) then
    check_nodes({ input }, 'inputs', 4)
  end
  if check_nodes(input, 'inputs', 4) == 0 then
    error('cannot pass an empty table of inputs. For a node without inputs, leave the second '
      .. 'parentheses empty: module()', 3)
  end
  return bridge.node(object, to_python(input), place())
end

for _, name in ipairs { 'nn.Module', 'nn.Criterion' } do
  local class = metatables[name]
  class.__call__ = call_module
  class.__unm__ = function(self) return call_module(self) end
  class.__sub__ = function(a, b)
    if is_node(a) then return b(a) end
    error('the left side of a minus is a node: node - module, or -module1 - module2', 3)
  end
end

-- nn.gModule

local gModule = metatables['nn.gModule']

function gModule:__init(inputs, outputs)
  check_nodes(inputs, 'inputs', 4)
  check_nodes(outputs, 'outputs', 4)
  bridge.attach(self, bridge.gmodule(to_python(inputs), to_python(outputs), place()))
  anchored[self] = nil
end

local class_field = gModule.__index
local fields = {}
for _, which in ipairs { 'forwardnodes', 'backwardnodes', 'innode', 'outnode' } do
  fields[which] = function(self) return bridge.gmodule_nodes(handles[self], which) end
end
for _, which in ipairs { 'fg', 'bg' } do
  fields[which] = function(self)
    local g = graph.Graph()
    for i, node in ipairs(bridge.gmodule_nodes(handles[self], which)) do
      g.nodes[i], g.nodes[node] = node, i
    end
    for i, edge in ipairs(bridge.gmodule_edges(handles[self], which)) do
      local e = graph.Edge(edge[1], edge[2])
      g.edges[i], g.edges[e] = e, i
    end
    rawset(g, '_of', handles[self])
    rawset(g, '_which', which)
    return g
  end
end
function fields.nInputs(self) return bridge.get(handles[self], 'nInputs') end
function fields.modules(self) return bridge.gmodule_modules(handles[self]) end
rawset(gModule, '__index', function(self, key)
  local f = fields[key]
  if f then return f(self) end
  return class_field(self, key)
end)

function gModule:map(other, f)
  for i, node in ipairs(self.forwardnodes) do
    local module = node.data.module
    if module then f(module, other.forwardnodes[i].data.module) end
  end
end

-- nngraph's functions

nngraph.Node = nngraph.Node
function nngraph.nest(value)
  return bridge.nest(to_python(value))
end
function nngraph.setDebug(enable) bridge.set_debug(enable) end

-- Names nodes after the local variables that hold them.
function nngraph.annotateNodes()
  for name, value in pairs(bridge.locals()) do
    if is_node(value) and value.data.annotations.name == nil then value:annotate { name = name } end
  end
end

nngraph.simple_print = {}
function nngraph.simple_print.todot(g, title)
  if rawget(g, '_of') then return bridge.picture(g._of, g._which, title, 'simple') end
  return g:todot(title)
end
function nngraph.simple_print.dot(g, title, file)
  if file then write_pictures(nngraph.simple_print.todot(g, title), file) end
end
function nngraph.display() end
