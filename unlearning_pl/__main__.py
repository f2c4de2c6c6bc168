"""Entry point of ``python -m unlearning_pl``."""

import sys

from unlearning_pl.commands.main import main

sys.exit(main())
