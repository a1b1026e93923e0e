"""pose-ablate: what accuracy does each unit of compute buy in 3D human pose lifting?"""

__version__ = "0.1.0"
