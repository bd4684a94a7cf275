-- torch.class and the types of objects. Every prelude file gets the bridge to Python as `...`.
local bridge = ...

torch = {}
-- Torch7's LuaJIT has these of Lua 5.2.
table.unpack = table.unpack or unpack
table.pack = table.pack or function(...) return { n = select('#', ...), ... } end
local tensors = bridge.tensors

-- The Python object behind a proxy (a module or a node), and the proxy of an object by its identity.
local handles = setmetatable({}, { __mode = 'k' })
local proxies = setmetatable({}, { __mode = 'v' })
-- Proxies with fields of their own live as long as the object does; see 02_proxies.lua.
local anchored = {}
bridge.handles, bridge.proxies, bridge.anchored = handles, proxies, anchored

local metatables = {}
bridge.metatables = metatables
local raw_type = type

local function package_of(name)
  local place, last = _G, name
  local dot = name:match('^.*()%.')
  if dot then
    last = name:sub(dot + 1)
    for part in name:sub(1, dot - 1):gmatch('[^.]+') do
      if raw_type(place[part]) ~= 'table' then
        error('the table ' .. part .. ' of the class ' .. name .. ' does not exist', 3)
      end
      place = place[part]
    end
  end
  return place, last
end

-- Lua calls these for operators; a class defines them as methods.
local operators = {
  __unm = '__unm__', __add = '__add__', __sub = '__sub__', __mul = '__mul__',
  __div = '__div__', __mod = '__mod__', __pow = '__pow__', __concat = '__concat__',
  __eq = '__eq__', __lt = '__lt__', __le = '__le__', __len = '__len__',
}

local function operator(mt, event, method)
  mt[event] = function(a, b, ...)
    local class = getmetatable(a)
    local f = raw_type(a) == 'table' and class and class[method]
    if not f then
      class = getmetatable(b)
      f = raw_type(b) == 'table' and class and class[method]
    end
    if not f then
      if event == '__eq' then return rawequal(a, b) end
      error(torch.type(a) .. ' has no operator ' .. event, 2)
    end
    return f(a, b, ...)
  end
end

local function new_metatable(name, parent)
  local mt = { __typename = name }
  mt.__index = mt
  for event, method in pairs(operators) do operator(mt, event, method) end
  mt.__call = function(self, ...)
    local f = mt.__call__
    if not f then error('an object of the class ' .. name .. ' cannot be called', 2) end
    return f(self, ...)
  end
  mt.__tostring = function(self) return self:__tostring__() end
  if parent then
    setmetatable(mt, { __index = parent })
    -- The functions for fields of proxies are inherited, too.
    if rawget(parent, '__newindex') then
      mt.__index, mt.__newindex = rawget(parent, '__index'), rawget(parent, '__newindex')
    end
  else
    mt.__tostring__ = function() return name end
  end
  return mt
end

function torch.class(name, parent_name, where)
  if raw_type(parent_name) == 'table' then where, parent_name = parent_name, nil end
  if metatables[name] then error(name .. ' has been registered already', 2) end
  local parent
  if parent_name then
    parent = metatables[parent_name]
    if not parent then error('parent class ' .. parent_name .. ' does not exist', 2) end
  end
  local mt = new_metatable(name, parent)
  local function new(...)
    local self = setmetatable({}, mt)
    if mt.__init then mt.__init(self, ...) end
    return self
  end
  mt.new = new
  mt.__factory = function() return setmetatable({}, mt) end
  metatables[name] = mt
  local constructor = setmetatable({}, {
    __index = mt,
    __newindex = mt,
    __metatable = mt,
    __call = function(_, ...) return new(...) end,
  })
  if where then
    where[name:match('[^.]+$')] = constructor
  else
    local place, last = package_of(name)
    place[last] = constructor
  end
  return mt, parent
end

function torch.newmetatable(name, parent_name)
  metatables[name] = new_metatable(name, parent_name and metatables[parent_name])
  return metatables[name]
end

function torch.getmetatable(name)
  return metatables[name] or bridge.tensor_metatable(name)
end

function torch.factory(name)
  return metatables[name] and metatables[name].__factory
end

function torch.getconstructortable(name)
  local place, last = package_of(name)
  return place[last]
end

function torch.typename(value)
  local kind = raw_type(value)
  if kind == 'userdata' then return bridge.type_of(value) end
  if kind ~= 'table' then return nil end
  local mt = getmetatable(value)
  return raw_type(mt) == 'table' and mt.__typename or nil
end

function torch.type(value) return torch.typename(value) or raw_type(value) end

-- Whether the class is `name`, or derived from it. A name without its package is enough.
function torch.isTypeOf(value, name)
  if raw_type(name) == 'table' then name = name.__typename end
  if raw_type(value) == 'userdata' then
    local own = bridge.type_of(value)
    return own == name or own:match('[^.]+$') == name or name == 'torch.*Tensor'
  end
  local mt = raw_type(value) == 'table' and getmetatable(value)
  while raw_type(mt) == 'table' do
    local own = rawget(mt, '__typename')
    if own and (own == name or own:match('[^.]+$') == name) then return true end
    local of_class = getmetatable(mt)
    mt = of_class and of_class.__index
  end
  return false
end

-- Returns the class whose methods `mt` has, the next one towards the root; nil at the root.
function bridge.parent(mt)
  local of_class = getmetatable(mt)
  return of_class and of_class.__index
end

function torch.setmetatable(object, name) return setmetatable(object, metatables[name]) end

-- A number that differs for different objects.
function torch.pointer(value)
  local kind = raw_type(value)
  if kind == 'userdata' then return bridge.pointer(value) end
  if kind == 'table' and handles[value] then return bridge.identity(handles[value]) end
  local mt = kind == 'table' and getmetatable(value)
  if mt then
    local shown = mt.__tostring
    mt.__tostring = nil
    local text = tostring(value)
    mt.__tostring = shown
    return tonumber(text:match('0x(%x+)') or text:match('(%x+)$'), 16)
  end
  local text = tostring(value)
  return tonumber(text:match('0x(%x+)') or text:match('(%x+)$') or '0', 16)
end

torch.version = { torch = '7' }
torch.pushudata = nil
