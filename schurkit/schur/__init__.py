"""The ordered real Schur form of a recurrent matrix: modes as diagonal blocks, couplings above
them, and how far that lets activity grow.
"""

from .form import SECTORS, SchurForm
from .matrix import henrici
from .real import real_schur
