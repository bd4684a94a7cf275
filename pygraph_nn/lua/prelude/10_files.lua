-- torch.save and torch.load, torch.DiskFile and torch.MemoryFile.
local bridge = ...

function torch.save(name, object, mode) bridge.save(name, object, mode) end
function torch.load(name, mode) return bridge.load(name, mode) end
function torch.serialize(object, mode) return bridge.serialize(object, mode) end
function torch.deserialize(text, mode) return bridge.deserialize(text, mode) end
function torch.saveobj(name, object) torch.save(name, object) end

-- Both kinds of files are a Python object that reads and writes numbers, strings and objects.
local function define(name, open)
  local File = torch.class(name)
  function File:__init(...) rawset(self, '_file', open(...)) end
  for _, mode in ipairs { 'binary', 'ascii', 'autoSpacing', 'noAutoSpacing', 'quiet', 'pedantic',
    'littleEndianEncoding', 'bigEndianEncoding', 'nativeEndianEncoding' } do
    File[mode] = function(self) bridge.file_mode(self._file, mode) return self end
  end
  function File:longSize() return self end
  function File:referenced() return self end
  function File:writeObject(object) bridge.file_write_object(self._file, object) end
  function File:readObject() return bridge.file_read_object(self._file) end
  function File:close() bridge.file_close(self._file) end
  function File:isQuiet() return false end
  function File:hasError() return bridge.file_has_error(self._file) end
  function File:clearError() end
  function File:synchronize() end
  function File:seek(position) bridge.file_seek(self._file, position - 1) return self end
  function File:seekEnd() bridge.file_seek(self._file, -1) return self end
  function File:position() return bridge.file_position(self._file) + 1 end
  function File:storage() return bridge.file_storage(self._file) end
  function File:readString(format) return bridge.file_read_string(self._file, format) end
  function File:writeString(text) return bridge.file_write_string(self._file, text) end
  for _, kind in ipairs { 'Byte', 'Char', 'Short', 'Int', 'Long', 'Float', 'Double', 'Bool' } do
    File['read' .. kind] = function(self, target)
      return bridge.file_read(self._file, kind, target)
    end
    File['write' .. kind] = function(self, value)
      return bridge.file_write(self._file, kind, value)
    end
  end
end

define('torch.MemoryFile', function(first, mode) return bridge.open_memory(first, mode) end)
define('torch.DiskFile', function(name, mode) return bridge.open_disk(name, mode) end)

-- What reading and writing need to know of classes

local handles, metatables = bridge.handles, bridge.metatables

-- The classes of layers and criteria that the program defines.
function bridge.lua_classes()
  local names = {}
  for name, class in pairs(metatables) do
    if not rawget(class, '__native') and bridge.native_base(class) then names[#names + 1] = name end
  end
  return names
end

function bridge.new_of_class(name)
  local class = metatables[name]
  if not class then return nil end
  local object = setmetatable({}, class)
  if bridge.native_base(class) then bridge.backing(object) end
  return object
end

function bridge.set_any(object, key, value) object[key] = value end
function bridge.class_of(value)
  local class = getmetatable(value)
  return class and class.__typename
end
function bridge.module_of(value)
  if handles[value] then return handles[value] end
  local class = getmetatable(value)
  if class and class.__typename then return bridge.backing(value) end
end
function bridge.is_lua_layer(module) return not bridge.is_native(module) end
function bridge.table_identity(value)
  return torch.pointer(value)
end

function bridge.base_of_class(name)
  local base, overridden = bridge.native_base(metatables[name])
  return base, overridden
end
