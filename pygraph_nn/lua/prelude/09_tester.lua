-- torch.Tester, torch.TestSuite and totem: tests of a program.
local bridge = ...

function torch.TestSuite()
  local tests = {}
  return setmetatable({}, {
    __newindex = function(suite, name, f)
      if tests[name] then error('the test ' .. name .. ' is there twice', 2) end
      tests[name] = true
      rawset(suite, name, f)
    end,
  })
end

local Tester = torch.class('torch.Tester')

function Tester:__init()
  self.tests, self.names, self.failures, self.count = {}, {}, {}, 0
  self.running, self.disabled = nil, {}
end

local function note(self, success, message)
  self.count = self.count + 1
  if not success then
    local where = bridge.place_text()
    self.failures[#self.failures + 1] = { test = self.running, message = where .. ': ' .. message }
  end
  return success
end

local function shown(value)
  if type(value) == 'userdata' then return bridge.describe(value) end
  return tostring(value)
end

local function suffix(message) return message and ' (' .. tostring(message) .. ')' or '' end

-- Returns whether two values are equal: numbers and tensors up to `precision`, tables in all parts.
local function equal(a, b, precision)
  if type(a) == 'userdata' and type(b) == 'userdata' then
    return bridge.close(a, b, precision or 0)
  elseif type(a) == 'number' and type(b) == 'number' then
    return a == b or math.abs(a - b) <= (precision or 0)
  elseif type(a) == 'table' and type(b) == 'table' then
    if getmetatable(a) ~= getmetatable(b) then return false end
    if bridge.handles[a] or bridge.handles[b] then return a == b end
    for key, value in pairs(a) do if not equal(value, b[key], precision) then return false end end
    for key in pairs(b) do if a[key] == nil then return false end end
    return true
  end
  return a == b
end

local function precision_of(a, b)
  if type(a) == 'number' then return a, b end
  return b, a
end

function Tester:assert(condition, message) return note(self, condition, 'assert' .. suffix(message)) end
function Tester:eq(a, b, message, precision)
  precision, message = precision_of(message, precision)
  return note(self, equal(a, b, precision), shown(a) .. ' ~= ' .. shown(b) .. suffix(message))
end
function Tester:ne(a, b, message, precision)
  precision, message = precision_of(message, precision)
  return note(self, not equal(a, b, precision), shown(a) .. ' == ' .. shown(b) .. suffix(message))
end
function Tester:lt(a, b, message) return note(self, a < b, shown(a) .. ' < ' .. shown(b) .. suffix(message)) end
function Tester:gt(a, b, message) return note(self, a > b, shown(a) .. ' > ' .. shown(b) .. suffix(message)) end
function Tester:le(a, b, message) return note(self, a <= b, shown(a) .. ' <= ' .. shown(b) .. suffix(message)) end
function Tester:ge(a, b, message) return note(self, a >= b, shown(a) .. ' >= ' .. shown(b) .. suffix(message)) end
Tester.asserteq, Tester.assertne = Tester.eq, Tester.ne
Tester.assertlt, Tester.assertgt = Tester.lt, Tester.gt
Tester.assertle, Tester.assertge = Tester.le, Tester.ge
Tester.assertTensorEq, Tester.assertTensorNe = Tester.eq, Tester.ne
Tester.assertTableEq, Tester.assertTableNe = Tester.eq, Tester.ne
Tester.assertGeneralEq, Tester.assertGeneralNe = Tester.eq, Tester.ne
function Tester:assertalmosteq(a, b, precision, message)
  if type(precision) == 'string' then precision, message = message, precision end
  return self:eq(a, b, message, precision or 1e-16)
end
Tester.eqTensor = Tester.eq

function Tester:assertErrorPattern(f, pattern, message)
  local success, problem = pcall(f)
  local text = tostring(problem)
  return note(self, not success and text:match(pattern) ~= nil,
    'expected an error like ' .. pattern .. ', got ' .. (success and 'none' or text) .. suffix(message))
end
function Tester:assertError(f, message)
  local success = pcall(f)
  return note(self, not success, 'expected an error' .. suffix(message))
end
function Tester:assertNoError(f, message)
  local success, problem = pcall(f)
  return note(self, success, 'unexpected error ' .. tostring(problem) .. suffix(message))
end
function Tester:assertErrorMsg(f, text, message)
  local success, problem = pcall(f)
  return note(self, not success and problem == text, 'expected the error ' .. text .. suffix(message))
end

function Tester:add(tests, name)
  if type(tests) == 'function' then
    self.tests[name] = tests
    self.names[#self.names + 1] = name
  else
    local names = {}
    for key, test in pairs(tests) do
      if type(test) == 'function' then names[#names + 1] = key end
    end
    table.sort(names)
    for _, key in ipairs(names) do self:add(tests[key], key) end
  end
  return self
end

function Tester:run(names)
  if type(names) == 'string' then names = { names } end
  local errors = 0
  for _, name in ipairs(names or self.names) do
    self.running = name
    local before = #self.failures
    local success, problem = xpcall(self.tests[name], bridge.traceback)
    local outcome = 'PASS'
    if not success then
      bridge.pass_through(problem)
      errors = errors + 1
      outcome = 'ERROR'
      self.failures[#self.failures + 1] = { test = name, message = tostring(problem) }
    elseif #self.failures > before then
      outcome = 'FAIL'
    end
    print(string.format('%-40s %s', name, outcome))
  end
  local n = #(names or self.names)
  print(string.format('Completed %d asserts in %d tests with %d failures and %d errors',
    self.count, n, #self.failures - errors, errors))
  for _, failure in ipairs(self.failures) do print(failure.test .. ': ' .. failure.message) end
  self.passed = #self.failures == 0
  return self.passed
end

totem = { Tester = torch.Tester, TestSuite = torch.TestSuite, nn = {} }

-- Compares the gradients of a module with finite differences.
function totem.nn.checkGradients(tester, module, input, precision)
  precision = precision or 1e-5
  local step = 1e-6
  local function leaves(value, list)
    list = list or {}
    if type(value) == 'userdata' then
      list[#list + 1] = value
    else
      for _, part in ipairs(value) do leaves(part, list) end
    end
    return list
  end
  local function random_like(value)
    if type(value) == 'userdata' then return torch.randn(value:size()):typeAs(value) end
    local copy = {}
    for i, part in ipairs(value) do copy[i] = random_like(part) end
    return copy
  end
  local weights = random_like(module:forward(input))
  local function loss()
    local outputs, factors, sum = leaves(module:forward(input)), leaves(weights), 0
    for i, y in ipairs(outputs) do sum = sum + torch.cmul(y, factors[i]):sum() end
    return sum
  end
  local function compare(tensors, gradients, what)
    for i, x in ipairs(tensors) do
      local flat, gradient = x:view(-1), gradients[i]:contiguous():view(-1)
      for j = 1, flat:size(1) do
        local before = flat[j]
        flat[j] = before + step
        local above = loss()
        flat[j] = before - step
        local below = loss()
        flat[j] = before
        tester:assertalmosteq(gradient[j], (above - below) / (2 * step), precision, what)
      end
    end
  end
  module:forward(input)
  module:zeroGradParameters()
  local gradInput = nn.utils.recursiveCopy(nil, (module:backward(input, weights)))
  compare(leaves(input), leaves(gradInput), 'the gradient of the input')
  local parameters, gradients = module:parameters()
  if parameters then compare(parameters, gradients, 'the gradient of a parameter') end
end

function totem.nn.checkSerializable(tester, module, input)
  local before = nn.utils.recursiveCopy(nil, (module:forward(input)))
  local copy = torch.deserialize(torch.serialize(module))
  tester:eq(copy:forward(input), before, 'the output after a copy through a string')
end

function totem.nn.checkTypeCastable(tester, module, input, name)
  name = name or 'torch.FloatTensor'
  local before = nn.utils.recursiveCopy(nil, (module:forward(input)))
  local inputs = nn.utils.recursiveType(nn.utils.recursiveCopy(nil, input), name)
  module:type(name)
  local after = module:forward(inputs)
  tester:eq(nn.utils.recursiveType(nn.utils.recursiveCopy(nil, after), 'torch.DoubleTensor'), before,
    'the output in another type', 1e-4)
  module:type('torch.DoubleTensor')
end
bridge.packages.totem = totem
