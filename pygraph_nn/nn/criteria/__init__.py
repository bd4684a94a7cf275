"""Torch7's criteria, one family per file. A criterion may use `core` and layers."""

from .classes import (
    ClassNLLCriterion,
    ClassSimplexCriterion,
    CrossEntropyCriterion,
    MultiLabelMarginCriterion,
    MultiMarginCriterion,
    SpatialClassNLLCriterion,
)
from .combined import ModuleCriterion, MultiCriterion, ParallelCriterion
from .pairs import (
    CosineEmbeddingCriterion,
    DistanceRatioCriterion,
    L1HingeEmbeddingCriterion,
    MarginRankingCriterion,
)
from .values import (
    AbsCriterion,
    BCECriterion,
    DistKLDivCriterion,
    HingeEmbeddingCriterion,
    L1Cost,
    MarginCriterion,
    MSECriterion,
    MultiLabelSoftMarginCriterion,
    SmoothL1Criterion,
    SoftMarginCriterion,
    SpatialAutoCropMSECriterion,
    WeightedMSECriterion,
)

__all__ = [
    "AbsCriterion",
    "BCECriterion",
    "ClassNLLCriterion",
    "ClassSimplexCriterion",
    "CosineEmbeddingCriterion",
    "CrossEntropyCriterion",
    "DistKLDivCriterion",
    "DistanceRatioCriterion",
    "HingeEmbeddingCriterion",
    "L1Cost",
    "L1HingeEmbeddingCriterion",
    "MSECriterion",
    "MarginCriterion",
    "MarginRankingCriterion",
    "ModuleCriterion",
    "MultiCriterion",
    "MultiLabelMarginCriterion",
    "MultiLabelSoftMarginCriterion",
    "MultiMarginCriterion",
    "ParallelCriterion",
    "SmoothL1Criterion",
    "SoftMarginCriterion",
    "SpatialAutoCropMSECriterion",
    "SpatialClassNLLCriterion",
    "WeightedMSECriterion",
]
