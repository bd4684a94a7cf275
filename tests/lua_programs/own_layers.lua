-- Layers of the program: without parameters, with parameters, and a changed layer of nn.
require 'nngraph'

local Square, Parent = torch.class('nn.ScaledSquare', 'nn.Module')

function Square:__init(scale)
  Parent.__init(self)
  self.scale = scale
end

function Square:updateOutput(input)
  self.output:resizeAs(input):copy(input):cmul(input):mul(self.scale)
  return self.output
end

function Square:updateGradInput(input, gradOutput)
  self.gradInput:resizeAs(input):copy(gradOutput):cmul(input):mul(2 * self.scale)
  return self.gradInput
end

local Rows, RowsParent = torch.class('RowTable', 'nn.Module')

function Rows:__init(count, size)
  RowsParent.__init(self)
  self.weight = torch.Tensor(count, size):uniform(-1, 1)
  self.gradWeight = torch.Tensor(count, size):zero()
end

function Rows:updateOutput(input)
  self.output:resize(input:size(1), self.weight:size(2))
  for i = 1, input:size(1) do self.output[i]:copy(self.weight[input[i]]) end
  return self.output
end

function Rows:accGradParameters(input, gradOutput, scale)
  for i = 1, input:size(1) do self.gradWeight[input[i]]:add(scale or 1, gradOutput[i]) end
end

local Doubled, DoubledParent = torch.class('nn.DoubledLinear', 'nn.Linear')

function Doubled:updateOutput(input)
  return DoubledParent.updateOutput(self, input) * 2
end

function Doubled:updateGradInput(input, gradOutput)
  return DoubledParent.updateGradInput(self, input, gradOutput * 2)
end

function Doubled:accGradParameters(input, gradOutput, scale)
  DoubledParent.accGradParameters(self, input, gradOutput * 2, scale)
end

local Largest, LargestParent = torch.class('LargestDifference', 'nn.Criterion')

function Largest:__init() LargestParent.__init(self) end
function Largest:updateOutput(input, target)
  self.output = (input - target):pow(2):sum() / 2
  return self.output
end
function Largest:updateGradInput(input, target)
  self.gradInput = input - target
  return self.gradInput
end

function network()
  local rows, table_ = nn.Identity()(), RowTable(5, 3)
  local hidden = nn.ScaledSquare(0.5)(nn.DoubledLinear(3, 3)(table_(rows)))
  return nn.gModule({rows}, {nn.Tanh()(hidden)}), table_
end

function square() return nn.ScaledSquare(3) end
function doubled() return nn.DoubledLinear(3, 2) end
function criterion() return LargestDifference() end
