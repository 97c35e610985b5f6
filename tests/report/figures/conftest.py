import pytest

HOSTILE = ("$\\frac{1}$", "$a_b$ & <script>alert(1)", "狐 \U0001f98a", "a\x00\u202eb\nc")


@pytest.fixture
def hostile():
    return HOSTILE


@pytest.fixture
def ticks():
    """Read the labels of an axis."""
    return lambda axis: [label.get_text() for label in axis.get_ticklabels()]


@pytest.fixture
def dots():
    """Read the first series of intervals as {height: (low, centre, high)}."""

    def read(ax, marker="o"):
        line = next(line for line in ax.lines if line.get_marker() == marker and line.get_markerfacecolor() != "white")
        bars = next(bars for bars in ax.collections if len(bars.get_segments()) == len(line.get_xdata()))
        ends = {segment[0][1]: (segment[0][0], segment[1][0]) for segment in bars.get_segments() if len(segment)}
        centres = zip(line.get_ydata(), line.get_xdata(), strict=True)
        return {height: (ends[height][0], x, ends[height][1]) for height, x in centres if height in ends}

    return read
