-- The last file of the prelude: printing, errors, modules of the program, and what is taken away.
local bridge = ...

local debug, io, os, package = debug, io, os, package
local raw_pcall, raw_xpcall, raw_error = pcall, xpcall, error
local raw_loadstring, raw_tostring, raw_type = loadstring, tostring, type
local raw_setmetatable, raw_getmetatable = setmetatable, getmetatable
local getinfo, getlocal = debug.getinfo, debug.getlocal

-- Where in the program

local function is_of_program(info) return info and info.source:sub(1, 1) == '@' end

-- Returns the first level of the program above the prelude, counted from the caller.
local function program_level(start)
  local level = start
  while true do
    local info = getinfo(level, 'Sl')
    if not info then return nil end
    if is_of_program(info) and info.currentline > 0 then return level, info end
    level = level + 1
  end
end

function bridge.place()
  local _, info = program_level(3)
  return info and bridge.path_absolute(info.source:sub(2)) .. ':' .. info.currentline or 'unknown:0'
end
function bridge.place_text()
  local level, info = program_level(3)
  return info and info.short_src .. ':' .. info.currentline or '?'
end
function bridge.label(path, line)
  local info = path:match('[^/]*$')
  return '[' .. info .. ']:' .. line .. '_'
end
function bridge.locals()
  local level = program_level(3)
  local found, i = {}, 1
  while level do
    local name, value = getlocal(level - 1, i)
    if not name then break end
    found[name] = value
    i = i + 1
  end
  return found
end

local function is_python_error(problem)
  return raw_type(problem) == 'userdata' and bridge.kind(problem) == 'error'
end

-- Makes the message of an error: that of a Python exception gets the line of the program.
local function message_of(problem)
  if not is_python_error(problem) then return problem end
  if bridge.ends_program(problem) then return problem end
  local _, info = program_level(3)
  local where = info and info.short_src .. ':' .. info.currentline .. ': ' or ''
  return where .. bridge.message(problem)
end

function bridge.traceback(problem)
  if is_python_error(problem) and bridge.ends_program(problem) then return problem end
  local message = message_of(problem)
  if raw_type(message) ~= 'string' then return problem end
  return message
end

-- What runs the program: keeps the traceback of an uncaught error.
function bridge.handler(problem)
  if is_python_error(problem) and bridge.ends_program(problem) then return problem end
  local message = message_of(problem)
  if raw_type(message) == 'table' then message = raw_tostring(message) end
  bridge.keep_traceback(problem, raw_tostring(message), debug.traceback('', 2))
  return message
end

function bridge.pass_through(problem)
  if is_python_error(problem) and bridge.ends_program(problem) then raw_error(problem, 0) end
end

local function checked(success, ...)
  if not success then bridge.pass_through((...)) end
  return success, ...
end

function pcall(f, ...)
  local arguments, n = { ... }, select('#', ...)
  return checked(raw_xpcall(function() return f(unpack(arguments, 1, n)) end, message_of))
end

function xpcall(f, handler, ...)
  local arguments, n = { ... }, select('#', ...)
  return checked(raw_xpcall(function() return f(unpack(arguments, 1, n)) end, function(problem)
    if is_python_error(problem) and bridge.ends_program(problem) then return problem end
    return handler(message_of(problem))
  end))
end

-- Runs a function of the program for Python.
function bridge.protected(f, ...)
  local arguments, n = { ... }, select('#', ...)
  return raw_xpcall(function() return f(unpack(arguments, 1, n)) end, bridge.handler)
end
function bridge.call_function_all(f, ...) return f(...) end
function bridge.is_plain(value) return raw_getmetatable(value) == nil and not bridge.handles[value] end

-- Printing

local function shown(value)
  if raw_type(value) == 'table' and not raw_getmetatable(value) then return bridge.show_table(value) end
  return raw_tostring(value)
end

-- As the program `th` prints: tables with what they hold.
function bridge.show_table(value, indent, seen)
  indent, seen = indent or '', seen or {}
  if seen[value] then return raw_tostring(value) end
  seen[value] = true
  local lines, keys = {}, {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b)
    if raw_type(a) == raw_type(b) and (raw_type(a) == 'number' or raw_type(a) == 'string') then
      return a < b
    end
    return raw_type(a) < raw_type(b)
  end)
  for _, key in ipairs(keys) do
    local part = value[key]
    local text
    if raw_type(part) == 'table' and not raw_getmetatable(part) then
      text = bridge.show_table(part, indent .. '    ', seen)
    elseif raw_type(part) == 'string' then
      text = '"' .. part .. '"'
    elseif raw_type(part) == 'userdata' then
      text = bridge.describe(part)
    else
      text = raw_tostring(part)
    end
    lines[#lines + 1] = indent .. '  ' .. raw_tostring(key) .. ' : ' .. text .. '\n'
  end
  return '{\n' .. table.concat(lines) .. indent .. '}'
end

function print(...)
  local parts, n = { ... }, select('#', ...)
  for i = 1, n do parts[i] = shown(parts[i]) end
  bridge.write_out(table.concat(parts, '\t') .. '\n')
end

-- The standard streams; io.open and the like only with --allow-io

local function stream(write, read)
  local self = {}
  function self.write(s, ...)
    for _, part in ipairs { ... } do write(raw_tostring(part)) end
    return s
  end
  function self.read(_, ...) return read and read(...) end
  function self.flush() bridge.flush_out() return true end
  function self.close() return true end
  function self.setvbuf() return true end
  function self.lines()
    return function() return read('*l') end
  end
  return self
end

local lua_files = {}
local File = {}
File.__index = File
function File:read(...)
  local formats = { ... }
  if #formats == 0 then formats[1] = '*l' end
  local results = {}
  for i, format in ipairs(formats) do results[i] = bridge.lua_file_read(self._file, format) end
  return unpack(results, 1, #formats)
end
function File:write(...)
  for _, part in ipairs { ... } do bridge.lua_file_write(self._file, raw_tostring(part)) end
  return self
end
function File:lines() return function() return self:read('*l') end end
function File:close() bridge.lua_file_close(self._file) return true end
function File:flush() bridge.lua_file_flush(self._file) return true end
function File:seek(whence, offset) return bridge.lua_file_seek(self._file, whence or 'cur', offset or 0) end
function File:setvbuf() return true end
function File:__tostring() return 'file' end

local function open(name, mode)
  local handle, problem = bridge.lua_open(name, mode or 'r')
  if not handle then return nil, problem end
  return raw_setmetatable({ _file = handle }, File)
end

local new_io = {
  stdout = stream(function(text) bridge.write_out(text) end),
  stderr = stream(function(text) bridge.write_err(text) end),
  stdin = stream(function() end, function(...) return bridge.read_in(...) end),
}
function new_io.write(...) return new_io.stdout:write(...) end
function new_io.read(...)
  local formats = { ... }
  if #formats == 0 then return bridge.read_in('*l') end
  local results = {}
  for i, format in ipairs(formats) do results[i] = bridge.read_in(format) end
  return unpack(results, 1, #formats)
end
function new_io.flush() bridge.flush_out() end
function new_io.output() return new_io.stdout end
function new_io.input() return new_io.stdin end
function new_io.type(value)
  if value == new_io.stdout or value == new_io.stderr or value == new_io.stdin then return 'file' end
  return raw_getmetatable(value) == File and 'file' or nil
end
new_io.open = open
function new_io.lines(name)
  if not name then return new_io.stdin:lines() end
  local handle, problem = open(name, 'r')
  if not handle then raw_error(problem, 2) end
  return handle:lines()
end
function new_io.popen() raw_error('io.popen: programs are not started from here', 2) end
function new_io.close(handle) if handle then handle:close() end return true end
_G.io = new_io

_G.os = {
  clock = os.clock, date = os.date, time = os.time, difftime = os.difftime,
  getenv = function(name) return name == 'HOME' and '.' or nil end,
  exit = function(status) bridge.exit(status) end,
  remove = function(name) return bridge.remove_file(name) end,
  rename = function(old, new) return bridge.rename_file(old, new) end,
  tmpname = function() return bridge.temporary_name() end,
  execute = function() raw_error('os.execute: programs are not started from here', 2) end,
  setlocale = function() return 'C' end,
}

-- Code: text only, from below the folders that the program may read

local function load_text(text, name)
  if text:sub(1, 1) == '\27' then raw_error('compiled Lua code is not loaded: only its source is', 3) end
  if text:sub(1, 1) == '#' then text = '--' .. text end
  return raw_loadstring(text, name)
end
function loadstring(text, name) return load_text(raw_tostring(text), name or '=(loadstring)') end
function load(source, name)
  if raw_type(source) == 'string' then return loadstring(source, name) end
  local parts = {}
  while true do
    local part = source()
    if not part or part == '' then break end
    parts[#parts + 1] = part
  end
  return loadstring(table.concat(parts), name)
end
function loadfile(name)
  local path, text = bridge.read_code(name)
  if not path then return nil, text end
  return load_text(text, '@' .. bridge.chunk_name(path))
end
function dofile(name)
  local f, problem = loadfile(name)
  if not f then raw_error(problem, 0) end
  return f()
end

-- include: a file beside the one that includes it
function include(name)
  local folder = (bridge.place():match('^(.*)/[^/]*:%d+$') or '.')
  if bridge.path_isfile(folder .. '/' .. name) then name = folder .. '/' .. name end
  return dofile(name)
end

local loaded = {}
for name, package_ in pairs(bridge.packages) do loaded[name] = package_ end
loaded.io, loaded.os, loaded.package = _G.io, _G.os, nil
local preload = {}

function require(name)
  name = raw_tostring(name)
  if loaded[name] ~= nil then return loaded[name] end
  if preload[name] then
    local result = preload[name](name)
    loaded[name] = result == nil and true or result
    return loaded[name]
  end
  local reason = bridge.refused_package(name)
  if reason then raw_error(reason, 2) end
  local path, text = bridge.find_module(name, (bridge.place():match('^(.*)/[^/]*:%d+$')))
  if not path then raw_error(text, 2) end
  if loaded[path] ~= nil then return loaded[path] end
  local f, problem = load_text(text, '@' .. bridge.chunk_name(path))
  if not f then raw_error(problem, 0) end
  local result = f(name)
  if loaded[name] == nil then loaded[name] = result == nil and true or result end
  loaded[path] = loaded[name]
  return loaded[name]
end
_G.package = { loaded = loaded, preload = preload, path = './?.lua;./?/init.lua', cpath = '', config = '/\n;\n?\n!\n-' }

-- Metatables of tensors are shared by all: programs see and extend the methods alone.
function getmetatable(value)
  if raw_type(value) == 'userdata' then return bridge.tensor_metatable() end
  return raw_getmetatable(value)
end

_G.python, _G.ffi, _G.newproxy, _G.module, _G.gcinfo = nil, nil, nil, nil, nil
_G.debug = nil
if jit then _G.jit = { version = jit.version, version_num = jit.version_num, os = jit.os, arch = jit.arch,
  on = function() end, off = function() end, flush = function() end } end

-- With --allow-io: where functions are, and tracebacks, but no way to change what others hold.
function bridge.allow_debug()
  _G.debug = {
    traceback = debug.traceback,
    getinfo = function(f, what)
      if raw_type(f) == 'number' then f = f + 1 end
      local info = getinfo(f, 'Slun')
      if info then info.func = nil end
      return info
    end,
  }
  loaded.debug = _G.debug
end
string.dump = nil
_G._G = _G
bridge.globals = _G
