-- nn: modules. A layer of the library is a Python object behind a proxy; the methods of a class that
-- a program derives stay in Lua, and a Python layer that calls them is made when one is needed.
local bridge = ...

local handles, anchored, metatables = bridge.handles, bridge.anchored, bridge.metatables
local to_python = bridge.to_python
local type, rawset, rawget, next = type, rawset, rawget, next

nn = {}

local computation = { 'updateOutput', 'updateGradInput', 'accGradParameters' }

-- Calls a method of the Python object that the prelude does not define.
local forwarders = {}
local function forwarder(name)
  if not forwarders[name] then
    forwarders[name] = function(self, ...)
      local arguments, n = { ... }, select('#', ...)
      for i = 1, n do arguments[i] = to_python(arguments[i]) end
      return bridge.call(handles[self], name, unpack(arguments, 1, n))
    end
  end
  return forwarders[name]
end

local function field(self, key)
  local class = getmetatable(self)
  local value = class[key]
  if value ~= nil then return value end
  local object = handles[self]
  if not object or type(key) ~= 'string' then return nil end
  if bridge.is_method(object, key) then return forwarder(key) end
  return bridge.get(object, key)
end

local function set_field(self, key, value)
  local object = handles[self]
  if object and type(key) == 'string' then
    if type(value) == 'function' then
      rawset(self, key, value)
      bridge.override(object, key)
      anchored[self] = true
      return
    end
    if bridge.has_field(object, key) and bridge.set_field(object, key, to_python(value)) then
      return
    end
  end
  rawset(self, key, value)
  if object then anchored[self] = true end
end

torch.class('nn.Module')
torch.class('nn.Criterion')
local Module, Criterion = metatables['nn.Module'], metatables['nn.Criterion']
for _, class in ipairs { Module, Criterion } do
  rawset(class, '__index', field)
  rawset(class, '__newindex', set_field)
end

-- The library's class that `class` is, or extends, and the methods of the computation that classes
-- in Lua define on the way to it.
local function native_base(class)
  local overridden, mt = {}, class
  while mt do
    local base = rawget(mt, '__native')
    if base then return base, overridden end
    for _, name in ipairs(computation) do
      if rawget(mt, name) then overridden[#overridden + 1] = name end
    end
    mt = bridge.parent(mt)
  end
end
bridge.native_base = native_base

local function construct(self, ...)
  local class = getmetatable(self)
  local base, overridden = native_base(class)
  local arguments, n = { ... }, select('#', ...)
  for i = 1, n do arguments[i] = to_python(arguments[i]) end
  local object = bridge.construct(
    class.__typename, base, overridden[1] and bridge.set_of(overridden) or nil,
    unpack(arguments, 1, n))
  local fields = {}
  for key, value in pairs(self) do fields[key] = value end
  bridge.attach(self, object)
  for key, value in pairs(fields) do
    rawset(self, key, nil)
    self[key] = value
  end
  if bridge.is_native(object) then anchored[self] = nil end
  return self
end

-- Makes the Python object of a proxy whose class never called the constructor of nn.Module.
function bridge.backing(self)
  local class = getmetatable(self)
  if not rawget(class, '__native') and not native_base(class) then return nil end
  construct(self)
  return handles[self]
end

local function object_of(self)
  return handles[self] or bridge.backing(self)
    or error('a module is expected, got ' .. torch.type(self), 3)
end

-- Whether the method that runs is written in Lua, so that nothing of Python takes part.
local function is_in_lua(self) return not bridge.is_native(object_of(self)) end

-- The same for one method, which a program may also have replaced in one object. The method of the
-- class, which the replacement then calls, must not come back to it.
local function is_replaced(self, name) return is_in_lua(self) or rawget(self, name) ~= nil end

function Module:__init()
  construct(self)
  rawset(self, 'output', torch.Tensor())
  rawset(self, 'gradInput', torch.Tensor())
end
rawset(Module, '__native', 'Module')

function Module:updateOutput(input)
  if is_replaced(self, 'updateOutput') then
    local base = native_base(getmetatable(self))
    if base ~= 'Module' and base ~= 'Container' then
      -- As in Torch7, the method of the class sets the field, on which the caller may go on.
      rawset(self, 'output', bridge.base_call(handles[self], base, 'updateOutput', to_python(input)))
      anchored[self] = true
    end
    return self.output
  end
  return bridge.forward(handles[self], to_python(input))
end

function Module:forward(input)
  if is_in_lua(self) then return self:updateOutput(input) end
  return bridge.forward(handles[self], to_python(input))
end

function Module:updateGradInput(input, gradOutput)
  if is_replaced(self, 'updateGradInput') then
    local base = native_base(getmetatable(self))
    if base ~= 'Module' and base ~= 'Container' then
      rawset(self, 'gradInput', bridge.base_call(
        handles[self], base, 'updateGradInput', to_python(input), to_python(gradOutput)))
      anchored[self] = true
    end
    return self.gradInput
  end
  return bridge.update_gradient(handles[self], to_python(input), to_python(gradOutput))
end

function Module:accGradParameters(input, gradOutput, scale)
  if is_replaced(self, 'accGradParameters') then
    local base = native_base(getmetatable(self))
    if base ~= 'Module' and base ~= 'Container' then
      bridge.base_call(handles[self], base, 'accGradParameters', to_python(input),
        to_python(gradOutput), scale or 1)
    end
    return
  end
  bridge.acc_gradients(handles[self], to_python(input), to_python(gradOutput), scale)
end

function Module:backward(input, gradOutput, scale)
  if is_in_lua(self) then
    scale = scale or 1
    self:updateGradInput(input, gradOutput)
    self:accGradParameters(input, gradOutput, scale)
    return self.gradInput
  end
  return bridge.backward(handles[self], to_python(input), to_python(gradOutput), scale)
end

function Module:parameters()
  local object = object_of(self)
  local members = self.modules
  if members and (is_in_lua(self) or bridge.holds_lua(object)) then
    local weights, gradients = {}, {}
    for _, member in ipairs(members) do
      local w, g = member:parameters()
      for _, x in ipairs(w or {}) do weights[#weights + 1] = x end
      for _, x in ipairs(g or {}) do gradients[#gradients + 1] = x end
    end
    return weights, gradients
  end
  if is_in_lua(self) then
    local weight, bias = self.weight, self.bias
    if weight and bias then return { weight, bias }, { self.gradWeight, self.gradBias } end
    if weight then return { weight }, { self.gradWeight } end
    if bias then return { bias }, { self.gradBias } end
    return nil
  end
  local weights, gradients = bridge.parameters(object)
  if weights == nil and members then return {}, {} end
  return weights, gradients
end

function Module:getParameters()
  local weights, gradients = self:parameters()
  return bridge.flatten(to_python(weights or {}), to_python(gradients or {}))
end

function Module:zeroGradParameters()
  local _, gradients = self:parameters()
  for _, gradient in ipairs(gradients or {}) do gradient:zero() end
end

function Module:updateParameters(rate)
  local weights, gradients = self:parameters()
  for i, weight in ipairs(weights or {}) do weight:add(-rate, gradients[i]) end
end

function Module:accUpdateGradParameters(input, gradOutput, rate)
  self:zeroGradParameters()
  self:accGradParameters(input, gradOutput, 1)
  self:updateParameters(rate)
end
Module.sharedAccUpdateGradParameters = Module.accUpdateGradParameters

local function members_of(self)
  local members = self.modules
  return type(members) == 'table' and members or {}
end

local function set_training(self, mode)
  self.train = mode
  for _, member in ipairs(members_of(self)) do
    if mode then member:training() else member:evaluate() end
  end
end

function Module:training()
  if not bridge.holds_lua(object_of(self)) then
    bridge.set_training(handles[self], true)
  else
    set_training(self, true)
  end
end

function Module:evaluate()
  if not bridge.holds_lua(object_of(self)) then
    bridge.set_training(handles[self], false)
  else
    set_training(self, false)
  end
end

function Module:apply(callback)
  callback(self)
  for _, member in ipairs(members_of(self)) do member:apply(callback) end
  return self
end

function Module:listModules()
  local modules = { self }
  for _, member in ipairs(members_of(self)) do
    for _, inner in ipairs(member:listModules()) do modules[#modules + 1] = inner end
  end
  return modules
end

function Module:findModules(name, container)
  container = container or self
  local found, containers = {}, {}
  if torch.typename(self) == name then found[1], containers[1] = self, container end
  for _, member in ipairs(members_of(self)) do
    local inner, around = member:findModules(name, self)
    for i, module in ipairs(inner) do
      found[#found + 1], containers[#containers + 1] = module, around[i]
    end
  end
  return found, containers
end

function Module:replace(callback)
  return bridge.replace(object_of(self), function(inner) return to_python(callback(inner)) end)
end

function Module:applyToModules(f)
  for _, member in ipairs(members_of(self)) do f(member) end
end

function Module:clone(...)
  local copy = bridge.deepcopy(object_of(self))
  if select('#', ...) > 0 then copy:share(self, ...) end
  return copy
end

function Module:share(other, ...)
  for _, name in ipairs { ... } do
    local mine = self[name]
    if type(mine) == 'userdata' then mine:set(other[name]) end
  end
  local members = members_of(self)
  if members[1] then
    local others = other.modules
    for i, member in ipairs(members) do member:share(others[i], ...) end
  end
  return self
end

function Module:reset(stdv)
  if is_in_lua(self) then
    for _, member in ipairs(members_of(self)) do member:reset(stdv) end
    return self
  end
  if bridge.is_method(handles[self], 'reset') then bridge.call(handles[self], 'reset', stdv) end
  return self
end

function Module:clearState()
  if not is_in_lua(self) then
    bridge.call(handles[self], 'clearState')
  else
    for _, name in ipairs { 'output', 'gradInput' } do
      local value = rawget(self, name)
      if type(value) == 'userdata' then value:set() elseif value then rawset(self, name, {}) end
    end
    for _, member in ipairs(members_of(self)) do member:clearState() end
  end
  return self
end

-- Types

local short = { Double = 'float64', Float = 'float32', Half = 'float16' }

-- Python calls this with a function that converts a tensor.
function Module:_convertFields(convert)
  local seen = {}
  local function converted(value)
    if type(value) == 'userdata' then return bridge.convert_tensor(value, convert) end
    if type(value) ~= 'table' or handles[value] or seen[value] then return value end
    if getmetatable(value) and torch.typename(value) then return value end
    seen[value] = true
    for key, part in pairs(value) do rawset(value, key, converted(part)) end
    return value
  end
  for key, value in pairs(self) do rawset(self, key, converted(value)) end
end

function Module:type(name)
  if not name then
    local weights = self:parameters()
    return weights and weights[1] and torch.typename(weights[1]) or rawget(self, '_type_of_lua')
      or torch.getdefaulttensortype()
  end
  local dtype = bridge.dtype_name(name)
  bridge.convert(object_of(self), dtype)
  return self
end
function Module:float() return self:type('torch.FloatTensor') end
function Module:double() return self:type('torch.DoubleTensor') end
function Module:cuda() return self:type('torch.CudaTensor') end
function Module:half() return self:type('torch.HalfTensor') end

function Module:__tostring__()
  if is_in_lua(self) then return torch.type(self) end
  return bridge.text(handles[self])
end

function Module:__len__()
  return #members_of(self)
end

function Module:read(file)
  for key, value in pairs(file:readObject()) do self[key] = value end
end

-- Criteria

rawset(Criterion, '__native', 'Criterion')

function Criterion:__init()
  construct(self)
  rawset(self, 'output', 0)
  rawset(self, 'gradInput', torch.Tensor())
end

function Criterion:updateOutput(input, target)
  if is_in_lua(self) then return self.output end
  return bridge.criterion_forward(handles[self], to_python(input), to_python(target))
end
function Criterion:forward(input, target)
  if is_in_lua(self) then return self:updateOutput(input, target) end
  return bridge.criterion_forward(handles[self], to_python(input), to_python(target))
end
function Criterion:updateGradInput(input, target)
  if is_in_lua(self) then return self.gradInput end
  return bridge.criterion_backward(handles[self], to_python(input), to_python(target))
end
function Criterion:backward(input, target)
  if is_in_lua(self) then return self:updateGradInput(input, target) end
  return bridge.criterion_backward(handles[self], to_python(input), to_python(target))
end
for _, name in ipairs {
  'clone', 'type', 'float', 'double', 'cuda', 'half', '__tostring__', '_convertFields',
} do
  Criterion[name] = Module[name]
end
Criterion.parameters = nil
function Criterion:type(name)
  if not name then return torch.getdefaulttensortype() end
  bridge.convert(object_of(self), bridge.dtype_name(name))
  return self
end
function Criterion:clone() return bridge.deepcopy(object_of(self)) end

-- The library's layers and criteria

local layers, criteria = bridge.class_names()
local containers = {
  Sequential = true, Concat = true, ConcatTable = true, ParallelTable = true, Parallel = true,
  DepthConcat = true, Decorator = true, Bottle = true, MapTable = true, gModule = true,
}

local function define(name, parent)
  local full = (name == 'JustElement' or name == 'JustTable') and 'nngraph.' .. name or 'nn.' .. name
  local class = torch.class(full, parent)
  rawset(class, '__native', name)
  rawset(class, '__init', construct)
  return class
end

nngraph = {}
define('Container', 'nn.Module')
for _, name in ipairs(layers) do
  if name ~= 'Container' then
    define(name, containers[name] and 'nn.Container' or 'nn.Module')
  end
end
for _, name in ipairs(criteria) do define(name, 'nn.Criterion') end

local Container = metatables['nn.Container']

function Container:__init()
  construct(self)
  if is_in_lua(self) then
    rawset(self, 'modules', {})
    rawset(self, 'output', torch.Tensor())
    rawset(self, 'gradInput', torch.Tensor())
  end
end

function Container:add(module)
  if is_in_lua(self) and rawget(self, 'modules') then
    table.insert(self.modules, module)
    return self
  end
  bridge.call(object_of(self), 'add', to_python(module))
  return self
end
function Container:get(index)
  if rawget(self, 'modules') then return self.modules[index] end
  return bridge.member(object_of(self), index)
end
function Container:size()
  return #members_of(self)
end

function nn.utils_recursiveType() end
nn.utils = {}
function nn.utils.recursiveType(value, name)
  if type(value) == 'userdata' or handles[value] then return value:type(name) end
  for key, part in pairs(value) do value[key] = nn.utils.recursiveType(part, name) end
  return value
end
function nn.utils.recursiveCopy(_, source)
  if type(source) == 'userdata' then return source:clone(), source end
  local copy = {}
  for key, part in pairs(source) do copy[key] = nn.utils.recursiveCopy(nil, part) end
  return copy, source
end
function nn.utils.clear(self, ...)
  local names = { ... }
  if type(names[1]) == 'table' then names = names[1] end
  for _, name in ipairs(names) do
    local value = self[name]
    if type(value) == 'userdata' then value:set() elseif type(value) == 'table' then self[name] = {} end
  end
  return self
end
