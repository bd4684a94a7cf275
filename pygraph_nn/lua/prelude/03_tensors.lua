-- Tensors and storages: bare PyTorch tensors whose metatable is completed here.
local bridge = ...

local methods, functions, mt = bridge.tensors.methods, bridge.tensors.functions, bridge.metatable
local to_python = bridge.to_python
local get, put = bridge.tensors.get, bridge.tensors.put
local type = type

-- A metamethod of Lua, once for all: Python counts what new tensors occupy.
local own = {}
for name, method in pairs(methods) do
  own[name] = function(self, ...) return method(self, ...) end
end

-- Methods whose arguments may be tables.
local function converting(f)
  return function(...)
    local n = select('#', ...)
    if n == 1 then return f((to_python((...)))) end
    local arguments = { ... }
    for i = 1, n do arguments[i] = to_python(arguments[i]) end
    return f(unpack(arguments, 1, n))
  end
end
for _, name in ipairs { 'copy', 'cat', 'isSize', 'view', 'resize' } do
  own[name] = converting(methods[name])
end

local methods_of_lua = {}

function methods_of_lua.type(self, name) return bridge.tensors.to_type(self, name) end
function methods_of_lua.cuda(self) return bridge.tensors.to_type(self, 'torch.CudaTensor') end
methods_of_lua.cudaDouble = function(self) return self:double() end
methods_of_lua.cudaLong = function(self) return self:long() end
function methods_of_lua.getDevice() return 1 end

function methods_of_lua.apply(self, f)
  local flat = self:contiguous():view(-1)
  for i = 1, self:nElement() do
    local value = f(flat[i])
    if value ~= nil then flat[i] = value end
  end
  if not self:isContiguous() then self:copy(flat) end
  return self
end

function methods_of_lua.map(self, other, f)
  local flat, values = self:contiguous():view(-1), other:contiguous():view(-1)
  for i = 1, self:nElement() do
    local value = f(flat[i], values[i])
    if value ~= nil then flat[i] = value end
  end
  if not self:isContiguous() then self:copy(flat) end
  return self
end

function methods_of_lua.map2(self, a, b, f)
  local flat, x, y = self:contiguous():view(-1), a:contiguous():view(-1), b:contiguous():view(-1)
  for i = 1, self:nElement() do
    local value = f(flat[i], x[i], y[i])
    if value ~= nil then flat[i] = value end
  end
  if not self:isContiguous() then self:copy(flat) end
  return self
end

function methods_of_lua.split(self, length, dim, more)
  if type(length) == 'table' then length, dim = dim, more end
  return bridge.table_of(methods.split(self, length, dim or 1))
end

function methods_of_lua.chunk(self, count, dim)
  return bridge.table_of(methods.chunk(self, count, dim or 1))
end

function methods_of_lua.totable(self) return bridge.table_of(methods.totable(self)) end
methods_of_lua.toTable = methods_of_lua.totable
function methods_of_lua.__tostring__(self) return bridge.tensors.text(self) end
function methods_of_lua.write(self, file) file:writeObject(self) end
function methods_of_lua.retain() end
function methods_of_lua.free() end

for name, method in pairs(methods_of_lua) do own[name] = method end

-- x.new is called without self, so it belongs to the type of x.
local news = {}
local function new_of(name)
  if not news[name] then
    news[name] = function(...) return bridge.new(name, ...) end
  end
  return news[name]
end

function mt.__index(self, key)
  if type(key) == 'string' then
    local method = own[key]
    if method then return method end
    if key == 'new' then return new_of(bridge.type_of(self)) end
    if key == '__typename' then return bridge.type_of(self) end
    return nil
  end
  return get(self, type(key) == 'table' and to_python(key) or key)
end

function mt.__newindex(self, key, value)
  if type(key) == 'table' then key = to_python(key) end
  put(self, key, value)
end

function mt.__len(self) return bridge.length(self) end
mt.__add, mt.__sub = bridge.tensors.operator_add, bridge.tensors.operator_sub
mt.__mul, mt.__div = bridge.tensors.operator_mul, bridge.tensors.operator_div
mt.__pow, mt.__mod = bridge.tensors.operator_pow, bridge.tensors.operator_mod
mt.__unm = methods.neg and function(x) return functions.neg(x) end
mt.__eq = bridge.same
function mt.__tostring(self) return bridge.tensors.text(self) end
function mt.__concat(a, b) return tostring(a) .. tostring(b) end

-- What getmetatable shows to programs: they may add methods.
local shown = { __index = own }
setmetatable(shown, { __index = own, __newindex = own })
function bridge.tensor_metatable(name)
  if name and not name:match('Tensor$') and not name:match('Storage$') then return nil end
  return shown
end
bridge.tensor_methods = own

-- Constructors: torch.Tensor, torch.DoubleTensor, torch.LongStorage, ...
function bridge.new(name, ...)
  local n = select('#', ...)
  if n == 0 then return bridge.new_tensor(name) end
  local arguments = { ... }
  for i = 1, n do
    local argument = arguments[i]
    if type(argument) == 'table' then arguments[i] = to_python(argument) end
  end
  return bridge.new_tensor(name, unpack(arguments, 1, n))
end

local function constructor(name)
  return setmetatable({}, {
    __call = function(_, ...) return bridge.new(name, ...) end,
    __index = function(_, key)
      if key == 'new' then return new_of(name) end
      if key == '__typename' then return name end
      return own[key]
    end,
    __newindex = own,
  })
end

for _, short in ipairs { 'Double', 'Float', 'Half', 'Long', 'Int', 'Short', 'Char', 'Byte', 'Cuda' } do
  for _, kind in ipairs { 'Tensor', 'Storage' } do
    torch[short .. kind] = constructor('torch.' .. short .. kind)
  end
end
for _, name in ipairs { 'CudaDoubleTensor', 'CudaLongTensor', 'CudaIntTensor', 'CudaByteTensor' } do
  torch[name] = constructor('torch.' .. name)
end
torch.Storage = constructor('torch.Storage')
torch.Tensor = constructor('torch.Tensor')

for name, f in pairs(functions) do torch[name] = f end
for _, name in ipairs { 'cat', 'zeros', 'ones', 'rand', 'randn', 'reshape', 'view' } do
  torch[name] = converting(functions[name])
end
function torch.split(...) return methods_of_lua.split(...) end
function torch.chunk(...) return methods_of_lua.chunk(...) end
function torch.apply(x, f) return x:apply(f) end

function torch.setdefaulttensortype(name) bridge.set_default_type(name) end
function torch.getdefaulttensortype() return bridge.default_type() end
function torch.setnumthreads(n) bridge.set_threads(n) end
function torch.getnumthreads() return bridge.threads() end
function torch.setheaptracking() end
function torch.Generator() return nil end

-- Time

function torch.tic() return bridge.time() end
function torch.toc(start) return bridge.time() - start end

torch.class('torch.Timer')
function torch.Timer:__init() self:reset() end
function torch.Timer:reset()
  self.sum, self.sum_of_process = 0, 0
  self.start, self.start_of_process = bridge.time(), os.clock()
  self.runs = true
  return self
end
function torch.Timer:stop()
  if self.runs then
    self.sum = self.sum + bridge.time() - self.start
    self.sum_of_process = self.sum_of_process + os.clock() - self.start_of_process
    self.runs = false
  end
  return self
end
function torch.Timer:resume()
  if not self.runs then
    self.start, self.start_of_process = bridge.time(), os.clock()
    self.runs = true
  end
  return self
end
function torch.Timer:time()
  local real, process = self.sum, self.sum_of_process
  if self.runs then
    real = real + bridge.time() - self.start
    process = process + os.clock() - self.start_of_process
  end
  return { real = real, user = process, sys = 0 }
end
