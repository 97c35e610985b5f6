"""Categories that stand in a label file and not in the names of folders."""

from xray.sources.labels.assign import Assignment as Assignment
from xray.sources.labels.assign import Labelled as Labelled
from xray.sources.labels.assign import distinct_labels as distinct_labels
from xray.sources.labels.assign import match_labels as match_labels
from xray.sources.labels.reading import read_labels as read_labels
from xray.sources.labels.settings import Labels as Labels
from xray.sources.labels.settings import labels_of as labels_of
