"""``python -m unlearning_pl``."""

import sys

from unlearning_pl.cli import main

sys.exit(main())
