-- The small packages that Torch7 programs require: paths, lfs, pl, sys, xlua, cutorch.
local bridge = ...
local to_python = bridge.to_python

-- Penlight

local stringx = {}
function stringx.replace(s, old, new, count)
  return bridge.string_replace(s, old, new, count or -1)
end
function stringx.split(s, separator, limit)
  return setmetatable(bridge.string_split(s, separator, limit), { __index = table })
end
function stringx.strip(s, chars) return bridge.string_strip(s, chars) end
function stringx.lstrip(s, chars) return bridge.string_strip(s, chars, 'left') end
function stringx.rstrip(s, chars) return bridge.string_strip(s, chars, 'right') end
function stringx.startswith(s, start) return s:sub(1, #start) == start end
function stringx.endswith(s, last) return last == '' or s:sub(-#last) == last end
function stringx.join(separator, parts) return table.concat(parts, separator) end
function stringx.lines(s)
  if s:sub(-1) ~= '\n' then s = s .. '\n' end
  return s:gmatch('([^\n]*)\n')
end
function stringx.splitlines(s) return bridge.string_lines(s) end
function stringx.count(s, part) return bridge.string_count(s, part) end
function stringx.isspace(s) return s:find('^%s+$') == 1 end
function stringx.isalpha(s) return s:find('^%a+$') == 1 end
function stringx.isdigit(s) return s:find('^%d+$') == 1 end
function stringx.ljust(s, n, c) return s .. (c or ' '):rep(n - #s) end
function stringx.rjust(s, n, c) return (c or ' '):rep(n - #s) .. s end
function stringx.center(s, n, c)
  local left = math.floor(math.max(n - #s, 0) / 2)
  return (c or ' '):rep(left) .. s .. (c or ' '):rep(n - #s - left)
end
function stringx.import()
  for name, f in pairs(stringx) do string[name] = string[name] or f end
end

local file = {}
function file.read(name) return bridge.read_file(name) end
function file.write(name, text) bridge.write_file(name, text) return true end

local path = { sep = '/', dirsep = ':', is_windows = false }
function path.exists(name) return bridge.path_exists(name) and name or nil end
function path.isfile(name) return bridge.path_isfile(name) end
function path.isdir(name) return bridge.path_isdir(name) end
function path.join(first, ...)
  for _, part in ipairs { ... } do
    if part:sub(1, 1) == '/' then
      first = part
    else
      first = (first == '' or first:sub(-1) == '/') and first .. part or first .. '/' .. part
    end
  end
  return first
end
function path.basename(name) return (name:match('[^/]*$')) end
function path.dirname(name) return (name:match('^(.*)/[^/]*$') or '') end
function path.splitext(name)
  local root, extension = name:match('^(.*)(%.[^./]*)$')
  return root or name, extension or ''
end
function path.extension(name) return (select(2, path.splitext(name))) end
function path.abspath(name) return bridge.path_absolute(name) end
function path.currentdir() return bridge.path_absolute('.') end
function path.getsize(name) return bridge.path_size(name) end
function path.mkdir(name) return bridge.make_folder(name) end

local tablex = {}
function tablex.insertvalues(t, position, values)
  if not values then position, values = #t + 1, position end
  local n = #values
  for i = #t, position, -1 do t[i + n] = t[i] end
  for i = 1, n do t[position + i - 1] = values[i] end
  return t
end
function tablex.keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  return keys
end
function tablex.values(t)
  local values = {}
  for _, value in pairs(t) do values[#values + 1] = value end
  return values
end
function tablex.map(f, t, ...)
  local result = {}
  for key, value in pairs(t) do result[key] = f(value, ...) end
  return result
end
function tablex.filter(t, keep, argument)
  local result = {}
  for _, value in ipairs(t) do if keep(value, argument) then result[#result + 1] = value end end
  return result
end
function tablex.reduce(f, t, first)
  local value, start = first, 1
  if value == nil then value, start = t[1], 2 end
  for i = start, #t do value = f(value, t[i]) end
  return value
end
function tablex.copy(t)
  local result = {}
  for key, value in pairs(t) do result[key] = value end
  return result
end
function tablex.deepcopy(t)
  if type(t) ~= 'table' then return t end
  local result = {}
  for key, value in pairs(t) do result[key] = tablex.deepcopy(value) end
  return setmetatable(result, getmetatable(t))
end
function tablex.update(t, other)
  for key, value in pairs(other) do t[key] = value end
  return t
end
function tablex.size(t)
  local n = 0
  for _ in pairs(t) do n = n + 1 end
  return n
end
function tablex.find(t, value)
  for i, other in ipairs(t) do if other == value then return i end end
end
function tablex.range(first, last, step)
  local result = {}
  for i = first, last, step or 1 do result[#result + 1] = i end
  return result
end
function tablex.deepcompare(a, b)
  if type(a) ~= 'table' or type(b) ~= 'table' then return a == b end
  for key, value in pairs(a) do if not tablex.deepcompare(value, b[key]) then return false end end
  for key in pairs(b) do if a[key] == nil then return false end end
  return true
end
function tablex.sort(t, f)
  local keys = tablex.keys(t)
  table.sort(keys, f)
  local i = 0
  return function() i = i + 1 if keys[i] ~= nil then return keys[i], t[keys[i]] end end
end

local utils = {}
function utils.printf(format, ...) io.write(string.format(format, ...)) end
function utils.fprintf(f, format, ...) f:write(string.format(format, ...)) end
-- The separator is a pattern, unless `plain`; without one, white space.
function utils.split(s, separator, plain, limit)
  separator = separator or '%s+'
  if separator == '' then return { s } end
  local parts, start = setmetatable({}, { __index = table }), 1
  while not limit or #parts < limit - 1 do
    local first, last = s:find(separator, start, plain)
    if not first then break end
    if last < first then error("utils.split: the separator '" .. separator .. "' is empty", 2) end
    parts[#parts + 1] = s:sub(start, first - 1)
    start = last + 1
  end
  -- As in Penlight, nothing follows a separator at the end.
  if start <= #s then parts[#parts + 1] = s:sub(start) end
  return parts
end
utils.readfile, utils.writefile = file.read, file.write
function utils.readlines(name) return bridge.string_lines(bridge.read_file(name)) end
utils.unpack = unpack
function utils.pack(...) return { n = select('#', ...), ... } end

local pretty = {}
local function written(value, indent)
  if type(value) ~= 'table' then
    return type(value) == 'string' and string.format('%q', value) or tostring(value)
  end
  local lines = {}
  for key, part in pairs(value) do
    local name = type(key) == 'number' and '' or tostring(key) .. ' = '
    lines[#lines + 1] = indent .. '  ' .. name .. written(part, indent .. '  ')
  end
  return '{\n' .. table.concat(lines, ',\n') .. '\n' .. indent .. '}'
end
function pretty.write(value) return written(value, '') end
function pretty.dump(value) print(pretty.write(value)) end

local List = setmetatable({}, {
  __call = function(_, t) return setmetatable(t or {}, { __index = table }) end,
})
local class = function() error("pl.class is not offered: use torch.class(name, parent)", 2) end

pl = { stringx = stringx, file = file, path = path, tablex = tablex, utils = utils, pretty = pretty }
-- Torch7's program `th` makes these global.
_G.stringx, _G.path, _G.tablex, _G.utils, _G.pretty = stringx, path, tablex, utils, pretty
_G.file = file

-- Files and folders

lfs = {}
function lfs.attributes(name, what)
  local attributes = bridge.path_attributes(name)
  if not attributes then return nil, 'cannot obtain information from file ' .. tostring(name) end
  if what then return attributes[what] end
  return attributes
end
function lfs.mkdir(name) return bridge.make_folder(name) end
function lfs.currentdir() return bridge.path_absolute('.') end
function lfs.dir(name)
  local names, i = bridge.path_list(name), 0
  return function() i = i + 1 return names[i] end
end

paths = {}
paths.home = '.'
function paths.concat(first, ...) return path.join(first or '.', ...) end
function paths.filep(name) return bridge.path_isfile(name) end
function paths.dirp(name) return bridge.path_isdir(name) end
function paths.mkdir(name) return bridge.make_folder(name) end
function paths.basename(name, suffix)
  local base = path.basename(name)
  if suffix then base = base:gsub('%.?' .. suffix .. '$', '') end
  return base
end
function paths.dirname(name)
  local folder = path.dirname(name)
  return folder == '' and '.' or folder
end
function paths.extname(name) return name:match('%.([^./]+)$') end
function paths.cwd() return bridge.path_absolute('.') end
function paths.thisfile(name)
  local folder = bridge.place():match('^(.*)/[^/]*$') or '.'
  return name and folder .. '/' .. name or folder
end
function paths.dir(name) return bridge.path_list(name) end
function paths.files(name)
  local names, i = bridge.path_list(name), 0
  return function() i = i + 1 return names[i] end
end
paths.iterfiles = paths.files
function paths.dofile(name) return dofile(name) end
function paths.require(name) return require(name) end

-- sys and xlua

sys = {}
function sys.clock() return bridge.time() end
local started
function sys.tic() started = bridge.time() end
function sys.toc() return bridge.time() - (started or bridge.time()) end
function sys.sleep(seconds) bridge.sleep(seconds) end
sys.COLORS = setmetatable({}, { __index = function() return '' end })
sys.concat = path.join
sys.dirname, sys.basename = paths.dirname, path.basename
function sys.filep(name) return bridge.path_isfile(name) end
function sys.dirp(name) return bridge.path_isdir(name) end
function sys.fpath() return paths.thisfile() end

xlua = {}
function xlua.progress(i, n) bridge.progress(i, n) end
function xlua.unpack(args, _, _, ...)
  local given, values = args[1], {}
  for i, spec in ipairs { ... } do
    local value
    if type(given) == 'table' and #args == 1 then value = given[spec.arg] else value = args[i] end
    if value == nil then value = spec.default end
    if value == nil and spec.req then error('the argument ' .. spec.arg .. ' is missing', 3) end
    values[i] = value
  end
  return unpack(values, 1, select('#', ...))
end
function xlua.print(...) print(...) end
function xlua.require(name)
  local found, module = pcall(require, name)
  return found and module or nil
end

-- cutorch and cunn: no GPU is used; CudaTensor is a type of numbers on the CPU

cutorch = {}
function cutorch.setDevice() end
function cutorch.getDevice() return 1 end
function cutorch.getDeviceCount() return 1 end
function cutorch.getDeviceProperties() return { major = 3, minor = 5, name = 'CPU' } end
function cutorch.synchronize() end
function cutorch.manualSeed() end
function cutorch.manualSeedAll() end
function cutorch.seed() end
function cutorch.initialSeed() return torch.initialSeed() end
function cutorch.getMemoryUsage() return 0, 0 end
function cutorch.reserveStreams() end

bridge.packages = {
  torch = torch, nn = nn, nngraph = nngraph, graph = graph, optim = optim, paths = paths,
  lfs = lfs, sys = sys, xlua = xlua, cutorch = cutorch, cunn = nn, pl = pl,
  math = math, string = string, table = table, os = os,
  ['pl.stringx'] = stringx, ['pl.file'] = file, ['pl.path'] = path, ['pl.tablex'] = tablex,
  ['pl.utils'] = utils, ['pl.pretty'] = pretty, ['pl.List'] = List, ['pl.class'] = class,
  ['pl.import_into'] = function() return pl end,
  trepl = {}, dok = {}, cwrap = {}, env = {}, qtsvg = {},
}
