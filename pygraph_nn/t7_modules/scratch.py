"""The fields in which Torch7's modules keep intermediate results; they are not read."""

from __future__ import annotations

_NAMES = frozenset(
    "_type accUpdateGradParameters addBuffer algType autotunerHash backwardnodes backwardSetup "
    "batchSize batchsize bdmode benchmark biasDesc buffer buffer2 bufferTensor bwdDataType "
    "bwmode ceil centered convDesc copiedInput critOutput diff dimDelta dimG expertView "
    "fastBackward fastest_mode fgradInput finput fmode forwardNodeId forwardnodes fwdType "
    "gaterView gradBias gradInput gradInputEl gradMaxVals gradOutput gradOutput_ "
    "gradOutputBuffer gradWeight gradWeightBuffer groups iDesc indices inplace_buffer input_map "
    "input_offset inputBuffer inputSize inputView inShape is_backward_setup iSize isTarget "
    "keepgrad lsm marked mask masks maxIdx maxVals minIdx minVals mode mode_desc module modules "
    "name_ nBackward nDim nElementPerSample noise normalized oDesc oldSizeAverage ones oSize "
    "output output_ output_map output_offset output_tensor outputSize outShape padding rDesc "
    "reuse running save_mean save_std scaleT seed shared sharedparams sharing sigmoid size2 std "
    "swapped table tanh target tmp_in tmp_out total_weight_tensor totalOutputSize train "
    "upscaleFactorSquared verbose visited weight_offset weightDesc weightT zeroGradTensor".split()
)


def is_scratch(field: object) -> bool:
    """Return whether Torch7 computes the field anew when it needs it."""
    return not isinstance(field, str) or field in _NAMES or field.startswith(("_", "grad"))
