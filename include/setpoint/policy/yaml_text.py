"""YAML text as plain data, with the place of every key and value.

Read by events rather than by PyYAML's constructors, because a policy is outside text: nesting, size and the growth of
aliases are bounded, no tag makes an object, and a key that stands twice is a mistake rather than a silent last word.
Scalars follow YAML 1.2's core schema (https://yaml.org/spec/1.2.2/#103-core-schema): ``yes`` and ``1:30`` are text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

import yaml

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 32
MAX_NODES: Final = 20_000
"""Values a file may hold once its aliases are written out."""

Path = tuple[str | int, ...]

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]{1,300}(\.[0-9]*)?)([eE][-+]?[0-9]{1,4})?")
_CONSTANTS: Final[dict[str, Any]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_CORE_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq")}
_STRING_TAG = "tag:yaml.org,2002:str"


class Mark(NamedTuple):
    """A place in the text, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Flaw:
    """Something YAML allows and a policy file does not, or something that is not YAML."""

    mark: Mark
    message: str
    path: Path = ()
    value: str = ""
    allowed: str = ""


@dataclass(frozen=True)
class Document:
    """Plain data (dicts with text keys, lists, scalars), and where each part of it stands.

    ``keys`` has the places of mapping keys, ``values`` those of values, both by path.
    """

    data: Any
    keys: dict[Path, Mark] = field(default_factory=dict)
    values: dict[Path, Mark] = field(default_factory=dict)
    flaws: tuple[Flaw, ...] = ()

    def place(self, path: Path) -> Mark:
        """Where a path stands: its key's place, or its value's in a list, or that of the nearest part that is there."""
        for length in range(len(path), -1, -1):
            mark = self.keys.get(path[:length]) or self.values.get(path[:length])
            if mark is not None:
                return mark
        return Mark(1, 1)


class UnreadableError(ValueError):
    """The text is not YAML, or too large, deep or cunning to be looked into."""

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(flaw.message)
        self.flaw = flaw


def read_yaml(text: str) -> Document:
    """Read one YAML document.

    :raises UnreadableError: there is no data to look at; otherwise what is wrong stands in ``Document.flaws``.
    """
    if len(text) > MAX_BYTES:
        raise UnreadableError(Flaw(Mark(1, 1), f"the file is larger than {MAX_BYTES // 1024} KiB"))
    try:
        root = _compose(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = ", ".join(part for part in (error.context, error.problem) if part)
        raise UnreadableError(Flaw(_within(text, _mark(mark)), f"this is not YAML: {said}")) from error
    except yaml.YAMLError as error:
        raise UnreadableError(Flaw(Mark(1, 1), f"this is not YAML: {' '.join(str(error).split())}")) from error
    if root is None:
        raise UnreadableError(Flaw(Mark(1, 1), "the file is empty"))
    return _Builder().document(root)


@dataclass(frozen=True)
class _Node:
    """A composed value: a scalar's text, a list's items, or a mapping's pairs."""

    mark: Mark
    kind: Literal["scalar", "list", "mapping"]
    tag: str | None
    text: str = ""
    plain: bool = False
    items: tuple[_Node, ...] = ()
    pairs: tuple[tuple[_Node, _Node], ...] = ()


def _mark(mark: Any) -> Mark:
    return Mark(mark.line + 1, mark.column + 1) if mark is not None else Mark(1, 1)


def _within(text: str, mark: Mark) -> Mark:
    """The end of the text for a place behind it, which is where libyaml finds that something was not closed."""
    lines = text.splitlines()
    return mark if mark.line <= len(lines) else Mark(max(1, len(lines)), len(lines[-1]) + 1 if lines else 1)


def _compose(text: str) -> _Node | None:
    events: Iterator[Any] = yaml.parse(text, Loader=_Loader)
    anchors: dict[str, _Node] = {}
    root: _Node | None = None
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            if root is not None:
                raise UnreadableError(Flaw(_mark(event.start_mark), "a second document begins; a file has one policy"))
            root = _node(next(events), events, anchors, 0)
    return root


def _node(event: Any, events: Iterator[Any], anchors: dict[str, _Node], depth: int) -> _Node:
    mark = _mark(event.start_mark)
    if depth > MAX_DEPTH:
        raise UnreadableError(Flaw(mark, f"nested deeper than {MAX_DEPTH} levels"))
    if isinstance(event, yaml.AliasEvent):
        # An anchor is known once its value is complete, so that a value cannot contain itself.
        if event.anchor not in anchors:
            raise UnreadableError(Flaw(mark, f"*{event.anchor} refers to an anchor that is not complete before it"))
        return anchors[event.anchor]
    if isinstance(event, yaml.ScalarEvent):
        node = _Node(mark, "scalar", event.tag, text=event.value, plain=not event.style)
    elif isinstance(event, yaml.SequenceStartEvent):
        items: list[_Node] = []
        while not isinstance(item := next(events), yaml.SequenceEndEvent):
            items.append(_node(item, events, anchors, depth + 1))
        node = _Node(mark, "list", event.tag, items=tuple(items))
    else:
        pairs: list[tuple[_Node, _Node]] = []
        while not isinstance(key := next(events), yaml.MappingEndEvent):
            key_node = _node(key, events, anchors, depth + 1)
            pairs.append((key_node, _node(next(events), events, anchors, depth + 1)))
        node = _Node(mark, "mapping", event.tag, pairs=tuple(pairs))
    if event.anchor:
        anchors[event.anchor] = node
    return node


class _Builder:
    """Turns composed nodes into data, writing aliases out and noting the place of everything."""

    def __init__(self) -> None:
        self._keys: dict[Path, Mark] = {}
        self._values: dict[Path, Mark] = {}
        self._flaws: dict[Mark, Flaw] = {}
        self._nodes = 0

    def document(self, root: _Node) -> Document:
        data = self._data(root, ())
        flaws = tuple(sorted(self._flaws.values(), key=lambda flaw: flaw.mark))
        return Document(data, self._keys, self._values, flaws)

    def _flaw(self, mark: Mark, message: str, path: Path, value: str = "", allowed: str = "") -> None:
        # By place: what an alias repeats is one mistake.
        self._flaws.setdefault(mark, Flaw(mark, message, path, value, allowed))

    def _data(self, node: _Node, path: Path) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES or len(path) > MAX_DEPTH:
            raise UnreadableError(
                Flaw(node.mark, f"its aliases grow to more than {MAX_NODES} values or {MAX_DEPTH} levels", path)
            )
        self._values.setdefault(path, node.mark)
        if node.tag not in (None, "!") and node.tag not in _CORE_TAGS:
            shown = str(node.tag).replace("tag:yaml.org,2002:", "!!")
            self._flaw(node.mark, "tags are not used in a policy", path, shown, "the value without the tag")
        if node.kind == "scalar":
            return self._scalar(node, path)
        if node.kind == "list":
            return [self._data(item, (*path, index)) for index, item in enumerate(node.items)]
        return self._mapping(node.pairs, path)

    def _scalar(self, node: _Node, path: Path) -> Any:
        text = self._text(node, path)
        if not node.plain or node.tag in ("!", _STRING_TAG):
            return text
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if _INT.fullmatch(text):
            return int(text)
        return float(text) if _FLOAT.fullmatch(text) and not text.lstrip("+-").isdigit() else text

    def _text(self, node: _Node, path: Path) -> str:
        if _NO_TEXT.search(node.text) is None:
            return node.text
        self._flaw(node.mark, "holds a character that is no text (NUL, or half of a pair)", path)
        return _NO_TEXT.sub("\ufffd", node.text)

    def _mapping(self, pairs: Iterable[tuple[_Node, _Node]], path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        merged: list[_Node] = []
        for key, value in pairs:
            if key.kind != "scalar":
                self._flaw(key.mark, "a key is one word, not a list or a section", path)
                continue
            name = self._text(key, path)
            if name == "<<" and key.plain:
                merged.extend(value.items if value.kind == "list" else [value])
                continue
            if name in data:
                first = self._keys[(*path, name)].line
                self._flaw(key.mark, f"this key stands twice; the first is on line {first}", (*path, name))
                continue
            self._keys[(*path, name)] = key.mark
            data[name] = self._data(value, (*path, name))
        for base in merged:
            self._merge(base, data, path)
        return data

    def _merge(self, base: _Node, data: dict[str, Any], path: Path) -> None:
        """``<<: *base``: the keys of another section that this one does not have itself."""
        if base.kind != "mapping":
            self._flaw(base.mark, "<< takes a section, or a list of sections", path)
            return
        fresh = [(key, value) for key, value in base.pairs if key.kind != "scalar" or key.text not in data]
        for name, value in self._mapping(fresh, path).items():
            data.setdefault(name, value)
