-- optim: optimizers of a flat vector of parameters. Each takes a function that returns the loss and
-- its gradient, the parameters, and a table of settings that also keeps the state.
optim = {}

local function settings_of(config, state)
  config = config or {}
  return config, state or config
end

-- Gradient descent with momentum and weight decay.
function optim.sgd(f, x, config, state)
  config, state = settings_of(config, state)
  local rate, decay = config.learningRate or 1e-3, config.learningRateDecay or 0
  local momentum, weight_decay = config.momentum or 0, config.weightDecay or 0
  local dampening = config.dampening or momentum
  if config.nesterov and (momentum <= 0 or dampening ~= 0) then
    error('Nesterov momentum requires a momentum and zero dampening: write dampening = 0', 2)
  end
  state.evalCounter = state.evalCounter or 0
  local loss, gradient = f(x)
  if weight_decay ~= 0 then
    gradient:add(weight_decay, x)
  elseif config.weightDecays then
    gradient:add(torch.cmul(config.weightDecays, x))
  end
  if momentum ~= 0 then
    if not state.dfdx then
      state.dfdx = gradient:clone()
    else
      state.dfdx:mul(momentum):add(1 - dampening, gradient)
    end
    if config.nesterov then
      gradient:add(momentum, state.dfdx)
    else
      gradient = state.dfdx
    end
  end
  local now = rate / (1 + state.evalCounter * decay)
  if config.learningRates then
    state.deltaParameters = state.deltaParameters or gradient.new():resizeAs(gradient)
    state.deltaParameters:copy(config.learningRates):cmul(gradient)
    x:add(-now, state.deltaParameters)
  else
    x:add(-now, gradient)
  end
  state.evalCounter = state.evalCounter + 1
  return x, { loss }
end

function optim.adagrad(f, x, config, state)
  config, state = settings_of(config, state)
  local rate, decay = config.learningRate or 1e-3, config.learningRateDecay or 0
  state.evalCounter = state.evalCounter or 0
  local loss, gradient = f(x)
  if config.weightDecay and config.weightDecay ~= 0 then gradient:add(config.weightDecay, x) end
  local now = rate / (1 + state.evalCounter * decay)
  state.paramVariance = state.paramVariance or gradient:clone():zero()
  state.paramVariance:addcmul(1, gradient, gradient)
  state.paramStd = state.paramStd or gradient:clone()
  state.paramStd:copy(state.paramVariance):sqrt()
  x:addcdiv(-now, gradient, state.paramStd:add(1e-10))
  state.evalCounter = state.evalCounter + 1
  return x, { loss }
end

function optim.rmsprop(f, x, config, state)
  config, state = settings_of(config, state)
  local rate, alpha = config.learningRate or 1e-2, config.alpha or 0.99
  local epsilon = config.epsilon or 1e-8
  local loss, gradient = f(x)
  if config.weightDecay and config.weightDecay ~= 0 then gradient:add(config.weightDecay, x) end
  if not state.m then
    state.m = gradient:clone():fill(config.initialMean or 0)
    state.tmp = gradient:clone()
  end
  state.m:mul(alpha):addcmul(1 - alpha, gradient, gradient)
  state.tmp:copy(state.m):sqrt():add(epsilon)
  x:addcdiv(-rate, gradient, state.tmp)
  return x, { loss }
end

function optim.adam(f, x, config, state)
  config, state = settings_of(config, state)
  local rate, decay = config.learningRate or 0.001, config.learningRateDecay or 0
  local beta1, beta2 = config.beta1 or 0.9, config.beta2 or 0.999
  local epsilon = config.epsilon or 1e-8
  local loss, gradient = f(x)
  if config.weightDecay and config.weightDecay ~= 0 then gradient:add(config.weightDecay, x) end
  state.t = state.t or 0
  local now = rate / (1 + state.t * decay)
  state.t = state.t + 1
  state.m = state.m or gradient:clone():zero()
  state.v = state.v or gradient:clone():zero()
  state.denom = state.denom or gradient:clone():zero()
  state.m:mul(beta1):add(1 - beta1, gradient)
  state.v:mul(beta2):addcmul(1 - beta2, gradient, gradient)
  state.denom:copy(state.v):sqrt():add(epsilon)
  local step = now * math.sqrt(1 - beta2 ^ state.t) / (1 - beta1 ^ state.t)
  x:addcdiv(-step, state.m, state.denom)
  return x, { loss }
end

function optim.adamax(f, x, config, state)
  config, state = settings_of(config, state)
  local rate = config.learningRate or 0.002
  local beta1, beta2 = config.beta1 or 0.9, config.beta2 or 0.999
  local epsilon = config.epsilon or 1e-38
  local loss, gradient = f(x)
  state.t = (state.t or 0) + 1
  state.m = state.m or gradient:clone():zero()
  state.u = state.u or gradient:clone():zero()
  state.m:mul(beta1):add(1 - beta1, gradient)
  state.u:copy(torch.cmax(torch.mul(state.u, beta2), torch.abs(gradient):add(epsilon)))
  x:addcdiv(-rate / (1 - beta1 ^ state.t), state.m, state.u)
  return x, { loss }
end

function optim.adadelta(f, x, config, state)
  config, state = settings_of(config, state)
  local rho, epsilon = config.rho or 0.9, config.eps or 1e-6
  state.evalCounter = state.evalCounter or 0
  local loss, gradient = f(x)
  if config.weightDecay and config.weightDecay ~= 0 then gradient:add(config.weightDecay, x) end
  if not state.paramVariance then
    state.paramVariance = gradient:clone():zero()
    state.accDelta = gradient:clone():zero()
  end
  state.paramVariance:mul(rho):addcmul(1 - rho, gradient, gradient)
  local std = state.paramVariance:clone():add(epsilon):sqrt()
  local delta = state.accDelta:clone():add(epsilon):sqrt():cdiv(std):cmul(gradient)
  x:add(-1, delta)
  state.accDelta:mul(rho):addcmul(1 - rho, delta, delta)
  state.evalCounter = state.evalCounter + 1
  return x, { loss }
end

function optim.nag(f, x, config, state)
  config, state = settings_of(config, state)
  local rate, momentum = config.learningRate or 1e-3, config.momentum or 0.9
  state.evalCounter = state.evalCounter or 0
  if state.dfdx then x:add(momentum, state.dfdx) end
  local loss, gradient = f(x)
  if config.weightDecay and config.weightDecay ~= 0 then gradient:add(config.weightDecay, x) end
  local now = rate / (1 + state.evalCounter * (config.learningRateDecay or 0))
  if not state.dfdx then
    state.dfdx = gradient:clone():zero()
  else
    state.dfdx:mul(momentum)
  end
  x:add(-now, gradient)
  state.dfdx:add(-now, gradient)
  state.evalCounter = state.evalCounter + 1
  return x, { loss }
end
