"""Pages that no link leads to, as axe and a phone see them: doors, codes, what waits or is wrong, what is shown once."""

import re
from pprint import pformat

import pyotp
import pytest
from axe import AXE, violations
from test_studio_passkeys import DEVICE

