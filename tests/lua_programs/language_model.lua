-- A small LSTM language model, unrolled by copies that share the parameters of the first.
require 'cunn'
require 'nngraph'

local function cell(size, input, c, h)
  local from_input = nn.Linear(size, 4 * size)(input)
  local from_state = nn.Linear(size, 4 * size)(h)
  local parts = nn.SplitTable(2)(nn.Reshape(4, size)(nn.CAddTable(){from_input, from_state}))
  local function part(i) return nn.SelectTable(i)(parts) end
  local next_c = nn.CAddTable(){
    nn.CMulTable(){nn.Sigmoid()(part(3)), c},
    nn.CMulTable(){nn.Sigmoid()(part(1)), nn.Tanh()(part(2))},
  }
  return next_c, nn.CMulTable(){nn.Sigmoid()(part(4)), nn.Tanh()(next_c)}
end

function create_network(config)
  local words, targets, state = nn.Identity()(), nn.Identity()(), nn.Identity()()
  local parts = {state:split(2 * config.layers)}
  local value = nn.LookupTable(config.vocab, config.rnn)(words)
  local following = {}
  for layer = 1, config.layers do
    local dropped = nn.Dropout(config.dropout)(value)
    local c, h = cell(config.rnn, dropped, parts[2 * layer - 1], parts[2 * layer])
    table.insert(following, c)
    table.insert(following, h)
    value = h
  end
  local scores = nn.Linear(config.rnn, config.vocab)(nn.Dropout(config.dropout)(value))
  local log_probabilities = nn.LogSoftMax()(scores)
  local loss = nn.ClassNLLCriterion()({log_probabilities, targets})
  local outputs = {loss, nn.Identity()(following)}
  if config.pred_output then table.insert(outputs, log_probabilities) end
  local network = nn.gModule({words, targets, state}, outputs)
  network:getParameters():uniform(-config.init_weight, config.init_weight)
  return network:type(config.tensor_type)
end

-- Copies of the network, through memory, with the parameters of the first.
local function copies(network, count)
  local weights, gradients = network:parameters()
  local file = torch.MemoryFile('w'):binary()
  file:writeObject(network)
  local all = {}
  for t = 1, count do
    local reader = torch.MemoryFile(file:storage(), 'r'):binary()
    all[t] = reader:readObject()
    reader:close()
    local w, g = all[t]:parameters()
    for i = 1, #weights do
      w[i]:set(weights[i])
      g[i]:set(gradients[i])
    end
    collectgarbage()
  end
  file:close()
  return all
end

local function zeros(config)
  local state = {}
  for d = 1, 2 * config.layers do
    state[d] = torch.zeros(config.batch, config.rnn):type(config.tensor_type)
  end
  return state
end

local function copy_into(to, from)
  for d = 1, #to do to[d]:copy(from[d]) end
end

-- Trains on the rows of `data` and returns the loss and gradient norm of every step.
function train(config, data, steps)
  torch.manualSeed(config.seed)
  local network = create_network(config)
  torch.uniform()
  data = data:type(config.tensor_type)
  local params, gradients = network:getParameters()
  local clones = copies(network, config.seq)
  local start, pos, losses, norms = zeros(config), 1, {}, {}
  local errors = torch.zeros(config.seq)
  for step = 1, steps do
    local states = {[0] = zeros(config)}
    copy_into(states[0], start)
    if pos + config.seq > data:size(1) then
      pos = 1
      for d = 1, #start do start[d]:zero() end
    end
    for t = 1, config.seq do
      local out = clones[t]:forward{data[pos], data[pos + 1], states[t - 1]}
      errors[t], states[t] = out[1], out[2]
      pos = pos + 1
    end
    copy_into(start, states[config.seq])
    gradients:zero()
    local back = zeros(config)
    for t = config.seq, 1, -1 do
      local given = {torch.ones(1):type(config.tensor_type), back}
      local row = pos - config.seq + t - 1
      if config.pred_output then
        given[3] = torch.zeros(config.batch, config.vocab):type(config.tensor_type)
      end
      local inputs = {data[row], data[row + 1], states[t - 1]}
      copy_into(back, clones[t]:backward(inputs, given)[3])
    end
    losses[step], norms[step] = errors:mean(), gradients:norm()
    if norms[step] > config.max_grad_norm then gradients:mul(config.max_grad_norm / norms[step]) end
    params:add(gradients:mul(-config.lr))
  end
  return losses, norms, params
end
