"""A page as a browser reads it, for tests of the report."""

from html.parser import HTMLParser

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """The elements and the text of a page, and the tags that do not match."""

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

    def all(self, tag, **attributes):
        """Return the attributes of the elements with a tag and these attributes."""
        return [found for name, found in self.elements if name == tag and attributes.items() <= found.items()]

    @property
    def ids(self):
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]

    @property
    def sections(self):
        return [attributes["id"] for attributes in self.all("section")]

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())
