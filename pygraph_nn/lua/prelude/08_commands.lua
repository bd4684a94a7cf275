-- torch.CmdLine: the options of a program.
local bridge = ...

local CmdLine = torch.class('torch.CmdLine')

function CmdLine:__init(argseparator, keyseparator)
  self.argseparator = argseparator or ','
  self.keyseparator = keyseparator or '='
  self.options, self.arguments, self.help = {}, {}, {}
end

local function plain(name) return (name:gsub('^%-*', '')) end

function CmdLine:text(line) self.help[#self.help + 1] = { text = line or '' } end

function CmdLine:option(key, default, help, kind)
  if default == nil then error('the option ' .. key .. ' needs a default value', 2) end
  local option = { key = key, name = plain(key), default = default, help = help, kind = kind or type(default) }
  self.options[key] = option
  self.help[#self.help + 1] = option
end

function CmdLine:argument(key, help, kind)
  local argument = { key = key, name = plain(key), help = help, kind = kind or 'string', argument = true }
  self.arguments[#self.arguments + 1] = argument
  self.help[#self.help + 1] = argument
end

local function converted(self, option, text)
  if option.kind == 'number' then
    local value = tonumber(text)
    if not value then self:error('the option ' .. option.key .. ' takes a number, got ' .. tostring(text)) end
    return value
  elseif option.kind == 'boolean' then
    if text == 'true' then return true end
    if text == 'false' then return false end
    self:error('the option ' .. option.key .. ' takes true or false, got ' .. tostring(text))
  end
  return text
end

function CmdLine:error(message)
  io.stderr:write('error: ' .. message .. '\n')
  self:usage()
  os.exit(1)
end

function CmdLine:usage()
  io.write('Usage: ' .. tostring(arg and arg[0] or '') .. ' [options]')
  for _, argument in ipairs(self.arguments) do io.write(' <' .. argument.name .. '>') end
  io.write('\n')
  for _, item in ipairs(self.help) do
    if item.text then
      io.write(item.text .. '\n')
    else
      local default = item.default ~= nil and ' [' .. tostring(item.default) .. ']' or ''
      io.write(string.format('  %-25s %s%s\n', item.key, item.help or '', default))
    end
  end
end

function CmdLine:default()
  local values = {}
  for _, option in pairs(self.options) do values[option.name] = option.default end
  return values
end

function CmdLine:parse(given)
  local values, i, place = self:default(), 1, 1
  given = given or {}
  while given[i] do
    local word = given[i]
    if word == '-help' or word == '--help' or word == '-h' then
      self:usage()
      os.exit(0)
    end
    local option = self.options[word]
    if option then
      if option.kind == 'boolean' and given[i + 1] ~= 'true' and given[i + 1] ~= 'false' then
        values[option.name] = not option.default
        i = i + 1
      else
        if given[i + 1] == nil then self:error('the option ' .. word .. ' takes a value') end
        values[option.name] = converted(self, option, given[i + 1])
        i = i + 2
      end
    else
      local argument = self.arguments[place]
      if not argument or word:match('^%-%a') then
        local names = {}
        for key in pairs(self.options) do names[#names + 1] = key end
        local near = bridge.nearest(word, bridge.to_python(names))
        self:error('there is no option ' .. word .. (near and '; the nearest is ' .. near or ''))
      end
      values[argument.name] = converted(self, argument, word)
      place, i = place + 1, i + 1
    end
  end
  if self.arguments[place] then self:error('the argument ' .. self.arguments[place].name .. ' is missing') end
  return values
end

-- A name for results: the options that differ from their defaults.
function CmdLine:string(prefix, values, ignore)
  local parts = {}
  for _, option in pairs(self.options) do
    local value = values[option.name]
    if value ~= option.default and not (ignore and ignore[option.name]) then
      parts[#parts + 1] = option.name .. self.keyseparator .. tostring(value)
    end
  end
  table.sort(parts)
  local text = table.concat(parts, self.argseparator)
  if text == '' then return prefix end
  return prefix == nil and text or prefix .. self.argseparator .. text
end

function CmdLine:addTime() end
function CmdLine:silent() end
function CmdLine:log() end
