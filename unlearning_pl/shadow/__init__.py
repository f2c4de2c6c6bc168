"""Shadow models, trained and unlearned like the target models, for likelihood-ratio membership attacks."""

from unlearning_pl.shadow.shadow_table import sentence, table
from unlearning_pl.shadow.train_shadows import shadow

__all__ = ["sentence", "shadow", "table"]
