-- optim: what records how training goes, ConfusionMatrix and Logger, and optim.checkgrad.
local bridge = ...

-- Counts of predicted and right classes.
local Confusion = torch.class('optim.ConfusionMatrix')
function Confusion:__init(classes)
  self.classes = type(classes) == 'table' and classes or nil
  self.nclasses = type(classes) == 'table' and #classes or classes
  self.mat = torch.LongTensor(self.nclasses, self.nclasses):zero()
  self.valids = torch.zeros(self.nclasses)
  self.totalValid, self.averageValid = 0, 0
end

function Confusion:zero()
  self.mat:zero()
  self.valids:zero()
  self.totalValid, self.averageValid = 0, 0
  return self
end

-- The number of a class, given as a number or as a vector whose largest element names it.
local function class_of(value)
  if type(value) ~= 'userdata' then return value end
  if value:nElement() == 1 then return value:view(-1)[1] end
  local _, best = value:contiguous():view(-1):max(1)
  return best[1]
end

function Confusion:add(prediction, target)
  prediction, target = class_of(prediction), class_of(target)
  self.mat[target][prediction] = self.mat[target][prediction] + 1
end

function Confusion:batchAdd(predictions, targets)
  for i = 1, predictions:size(1) do self:add(predictions[i], targets[i]) end
end

-- Classes that did not occur count in no average.
function Confusion:updateValids()
  local right, total, sum, count = 0, self.mat:sum(), 0, 0
  for i = 1, self.nclasses do
    local occurred = self.mat[i]:sum()
    right = right + self.mat[i][i]
    self.valids[i] = self.mat[i][i] / occurred
    if occurred > 0 then sum, count = sum + self.valids[i], count + 1 end
  end
  self.totalValid = total == 0 and 0 or right / total
  self.averageValid = count == 0 and 0 or sum / count
end

function Confusion:__tostring__()
  self:updateValids()
  local width = #tostring(self.mat:max()) + 1
  local lines = { 'ConfusionMatrix: (a row for each target, a column for each prediction)' }
  for i = 1, self.nclasses do
    local numbers = {}
    for j = 1, self.nclasses do numbers[j] = ('%' .. width .. 'd'):format(self.mat[i][j]) end
    local name = self.classes and tostring(self.classes[i]) or tostring(i)
    local valid = self.valids[i]
    local share = valid == valid and ('%.3f%%'):format(100 * valid) or 'did not occur'
    lines[#lines + 1] = (' [%s]  %s  [%s]'):format(table.concat(numbers), share, name)
  end
  lines[#lines + 1] = (' + average row correct: %.3f%%'):format(100 * self.averageValid)
  lines[#lines + 1] = (' + global correct: %.3f%%'):format(100 * self.totalValid)
  return table.concat(lines, '\n')
end

-- Writes a table of numbers, one line an epoch, the columns in the order of `setNames` or of their
-- names.
local Logger = torch.class('optim.Logger')
function Logger:__init(file)
  self.file, self.rows, self.text = file, {}, ''
end

function Logger:setNames(names)
  self.names = names
  self:_line(names)
  return self
end

function Logger:_line(cells)
  self.text = self.text .. table.concat(cells, '\t') .. '\t\n'
  if self.file then bridge.write_file(self.file, self.text) end
end

function Logger:add(values)
  self.rows[#self.rows + 1] = values
  local cells = {}
  if #values > 0 then
    for i, value in ipairs(values) do cells[i] = tostring(value) end
  else
    if not self.names then
      self.names = {}
      for name in pairs(values) do self.names[#self.names + 1] = name end
      table.sort(self.names)
      self:_line(self.names)
    end
    for i, name in ipairs(self.names) do cells[i] = tostring(values[name]) end
  end
  self:_line(cells)
  return self
end

-- Pictures are not drawn here: the numbers are in the file.
function Logger:style() return self end
function Logger:plot() return self end
function Logger:display() return self end

-- Compares the gradient of f with finite differences; returns their relative distance, and both.
function optim.checkgrad(f, x, epsilon)
  epsilon = epsilon or 1e-7
  local _, gradient = f(x)
  gradient = gradient:clone()
  local estimate = gradient:clone():zero()
  for i = 1, x:size(1) do
    local value = x[i]
    x[i] = value + epsilon
    local above = f(x)
    x[i] = value - epsilon
    local below = f(x)
    x[i] = value
    estimate[i] = (above - below) / (2 * epsilon)
  end
  return torch.norm(gradient - estimate) / torch.norm(gradient + estimate), gradient, estimate
end
