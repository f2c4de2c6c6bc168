"""Shadow models, trained and unlearned like the models in question: how likely is it that one saw an image?"""

from unlearning_pl.shadow.shadow_table import sentence, table
from unlearning_pl.shadow.train_shadows import shadow

__all__ = ["sentence", "shadow", "table"]
