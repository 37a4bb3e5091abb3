"""medcl: contrastive learning for clinical imaging cohorts, from a table of exams to representations.

Research use only; not a medical device.
"""

__version__ = "0.1.0"
