"""MLflow, which shows what the records hold: the only part that imports it.

A study is an experiment; its run has a child for each configuration, and these a child for each seed. The weights of
each training are a logged model, which the runs that were evaluated from it name as their input. Everything can be made
again from the records.
"""

from ablate.tracking.place import make_store as make_store
from ablate.tracking.place import store_id as store_id
from ablate.tracking.place import studies as studies
from ablate.tracking.place import tracking_uri as tracking_uri
from ablate.tracking.place import unknown as unknown
from ablate.tracking.telling import Subject as Subject
from ablate.tracking.tracker import IDENTITY as IDENTITY
from ablate.tracking.tracker import SEEDS as SEEDS
from ablate.tracking.tracker import Tracker as Tracker
