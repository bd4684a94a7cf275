"""The fields in which Torch7's modules keep intermediate results; they are not read."""

from __future__ import annotations

_NAMES = frozenset(
    "output gradInput train modules _type gradWeight gradBias finput fgradInput noise buffer "
    "buffer2 ones addBuffer indices inputBuffer input_map output_map outputSize inputSize size2 "
    "batchSize batchsize backwardSetup dimG totalOutputSize gradOutput gradOutputBuffer "
    "output_tensor total_weight_tensor target weightT zeroGradTensor normalized save_mean save_std "
    "centered std copiedInput tmp_in tmp_out inplace_buffer maxIdx minIdx mask maxVals minVals "
    "gradMaxVals diff isTarget dimDelta inShape outShape sharedparams module table reuse "
    "accUpdateGradParameters upscaleFactorSquared inputView gradInputEl expertView gaterView "
    "nBackward fastBackward lsm oldSizeAverage critOutput bufferTensor masks sigmoid tanh "
    "gradOutput_ output_ nElementPerSample is_backward_setup padding groups iSize oSize "
    "iDesc oDesc convDesc fwdType bwdDataType autotunerHash weightDesc biasDesc input_offset "
    "output_offset weight_offset nDim rDesc algType fmode bdmode bwmode fastest_mode "
    "benchmark mode_desc scaleT keepgrad forwardNodeId swapped seed name_ sharing ceil running "
    "forwardnodes backwardnodes verbose visited marked gradWeightBuffer".split()
)


def is_scratch(field: object) -> bool:
    """Return whether Torch7 computes the field anew when it needs it."""
    return not isinstance(field, str) or field in _NAMES or field.startswith(("_", "grad"))
