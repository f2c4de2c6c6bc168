"""Shadow models, trained and unlearned like the models in question: how likely is it that one saw an image?"""

from unlearning_pl.shadow.shadows import shadow
from unlearning_pl.shadow.table import sentence, table

__all__ = ["sentence", "shadow", "table"]
