"""A page as a browser would read it, for tests of the report."""

from html.parser import HTMLParser

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """What a browser would make of a page: elements, text, and tags that do not match."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text, self.open, self.mismatched = [], [], [], []
        self.feed(text)
        self.close()
        self.mismatched += self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.mismatched.append(tag)

    def handle_data(self, data):
        self.text.append(data)

    def all(self, tag):
        return [attributes for found, attributes in self.elements if found == tag]

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())
