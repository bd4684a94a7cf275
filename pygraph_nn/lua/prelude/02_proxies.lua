-- Values on their way to Python, and proxies on their way to Lua.
local bridge = ...

local handles, proxies, anchored = bridge.handles, bridge.proxies, bridge.anchored
local metatables = bridge.metatables
local list, dict = bridge.list, bridge.dict
local type, pairs, unpack = type, pairs, unpack

local to_python

-- A table with the keys 1..n becomes a list, any other a dict; proxies become their objects.
local function table_to_python(value)
  local n = 0
  for key in pairs(value) do
    if type(key) ~= 'number' or key < 1 or key % 1 ~= 0 then n = nil break end
    if key > n then n = key end
  end
  if n then
    if n == 1 then return list(to_python(value[1])) end
    if n == 2 then return list(to_python(value[1]), to_python(value[2])) end
    local parts = {}
    for i = 1, n do parts[i] = to_python(value[i]) end
    if n < 200 then return list(unpack(parts, 1, n)) end
    local all = list()
    for i = 1, n do bridge.append(all, parts[i]) end
    return all
  end
  local parts, count = {}, 0
  for key, part in pairs(value) do
    parts[count + 1], parts[count + 2] = to_python(key), to_python(part)
    count = count + 2
  end
  return dict(unpack(parts, 1, count))
end

function to_python(value)
  if type(value) ~= 'table' then return value end
  local object = handles[value]
  if object then
    if not anchored[value] and next(value) ~= nil then anchored[value] = true end
    return object
  end
  local mt = getmetatable(value)
  if mt and mt.__typename and bridge.backing then
    object = bridge.backing(value)
    if object then return object end
  end
  return table_to_python(value)
end
bridge.to_python = to_python

-- Returns the proxy of `object`, a new one at first.
function bridge.proxy_of(identity, object, class)
  local proxy = proxies[identity]
  if proxy then return proxy end
  local mt = metatables[class]
  if not mt then mt = metatables['nn.Module'] end
  proxy = setmetatable({}, mt)
  handles[proxy] = object
  proxies[identity] = proxy
  return proxy
end

-- Makes `proxy` that of `object`.
function bridge.attach(proxy, object)
  handles[proxy] = object
  proxies[bridge.identity(object)] = proxy
  anchored[proxy] = true
end

-- A proxy with fields of its own must live as long as Python has the object, and the object as long
-- as Lua has the proxy: a circle that neither collector sees. So a proxy is anchored while Python
-- has the object in more places than the handle; before a collection the others are let go.
local sample = {}
handles[sample] = bridge.new_object()
local alone = bridge.references(handles[sample])

-- A collection must be done at once. While one runs in steps, a Python object that comes back to Lua
-- between the step that finds its old reference dead and the finalizer of that reference would be
-- released by the finalizer although the new reference is in use. LuaJIT puts finalizers off while
-- it runs compiled code, so it does not compile; the time goes into tensors anyway.
local collect = collectgarbage
collect('setstepmul', 0)
if jit then jit.off() end

function bridge.collect()
  for proxy in pairs(anchored) do
    local object = handles[proxy]
    if not object or bridge.references(object) <= alone then anchored[proxy] = nil end
  end
  collect('collect')
  -- Finalizers of the first round let go of Python objects, whose proxies the second one frees.
  return collect('collect')
end

function collectgarbage(option, argument)
  if option == nil or option == 'collect' then
    bridge.collect()
    return 0
  end
  if option == 'count' then return collect('count') end
  return 0 -- programs may not change how memory is collected
end

-- Calls a method of a proxy for Python.
function bridge.method_of_proxy(proxy, name, ...)
  local method = proxy[name]
  if type(method) ~= 'function' then
    error((torch.type(proxy)) .. ' does not define ' .. name)
  end
  return to_python(method(proxy, ...))
end

-- Copies the fields of a proxy to the proxy of a copy of its object. `memo` is that of Python's
-- copy.deepcopy; tables that are reached twice are copied once.
local tables = setmetatable({}, { __mode = 'k' })

function bridge.copy_value(value, memo)
  local kind = type(value)
  if kind == 'userdata' then return bridge.copy_object(value, memo) end
  if kind ~= 'table' then return value end
  local object = handles[value]
  if object then return bridge.copy_module(object, memo) end
  local seen = tables[memo] or {}
  tables[memo] = seen
  if seen[value] then return seen[value] end
  local copy = {}
  seen[value] = copy
  for key, part in pairs(value) do
    rawset(copy, bridge.copy_value(key, memo), bridge.copy_value(part, memo))
  end
  return setmetatable(copy, getmetatable(value))
end

function bridge.copy_state(identity, twin, values, memo)
  local proxy = proxies[identity]
  if not proxy or next(proxy) == nil then return end
  local copy = setmetatable({}, getmetatable(proxy))
  bridge.attach(copy, twin)
  local seen = tables[memo] or {}
  tables[memo] = seen
  seen[proxy] = copy
  for key, part in pairs(proxy) do rawset(copy, key, bridge.copy_value(part, memo)) end
end
