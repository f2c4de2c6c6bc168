"""One command from a file of weights to an unlearned, audited and exported model, made of the ordinary ones."""

from unlearning_pl.forgetting.forget_plan import ForgetPlan
from unlearning_pl.forgetting.plan_checks import make_plan
from unlearning_pl.forgetting.run_steps import run_steps

__all__ = ["ForgetPlan", "make_plan", "run_steps"]
