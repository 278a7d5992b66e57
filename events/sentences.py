"""An event in one plain sentence, from the template in its schema.

A sentence reads, tests and formats; it does not loop, call or set, so that its cost is bounded
and a template dropped in a folder can do no harm. Personal values, sealed or open, are taken out
before it is rendered. The text is not escaped for HTML: whoever puts it in a page does that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from jinja2 import TemplateError, Undefined, UndefinedError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedEnvironment

from events.errors import BadSchema, LanguageError
from events.money import parse_money
from events.periods import period_words
from events.personal import without_personal
from events.times import day_words, parse_time

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from events.personal import PersonalField

Sentence = Callable[[Mapping[str, Any]], str]
MAX_LENGTH: Final = 500
_ALLOWED: Final = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.If,
    nodes.CondExpr,
    nodes.Name,
    nodes.Getattr,
    nodes.Const,
    nodes.Filter,
    nodes.Test,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Concat,
)
_ODD_DATA: Final = (
    TemplateError,
    LanguageError,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    RecursionError,
)


def compile_sentence(
    source: str, title: str, properties: Sequence[str], personal: Sequence[PersonalField]
) -> Sentence:
    """Make a template into a function from `data` to one sentence, which never raises.

    Where `data` lacks what the sentence needs, the answer is the type's title and a full stop.
    Raises BadSchema for a template that does not parse, does more than read and format, or names
    a field that `properties` does not have.
    """
    try:
        tree = _ENVIRONMENT.parse(source)
        template = _ENVIRONMENT.from_string(tree)
    except TemplateError as wrong:
        cure = f"Look at line {getattr(wrong, 'lineno', 1)}; the filters are {_FILTER_NAMES}."
        raise BadSchema("The sentence is not a template that can be read.", cure) from wrong
    private = {field.path[0] for field in personal if len(field.path) == 1}
    _check(tree, properties, private)

    def say(data: Mapping[str, Any]) -> str:
        try:
            words = " ".join(template.render(data=without_personal(data, personal)).split())
        except _ODD_DATA:
            return f"{title}."
        return words if len(words) <= MAX_LENGTH else words[: MAX_LENGTH - 1] + "…"

    return say


def _check(tree: nodes.Node, properties: Sequence[str], private: AbstractSet[str]) -> None:
    for node in _descend(tree):
        if not isinstance(node, _ALLOWED):
            words = type(node).__name__.lower()
            cure = "Use fields, tests, conditions and filters only."
            raise BadSchema(f"The sentence uses a {words}.", cure)
        if isinstance(node, nodes.Name) and node.name != "data":
            cure = "Write data.field; data is the only name a sentence has."
            raise BadSchema(f"The sentence uses the name {node.name}.", cure)
        field = _field(node)
        if field is not None and field not in properties:
            cure = f"Use one of its fields: {', '.join(properties)}."
            raise BadSchema(f"The sentence uses data.{field}, which the schema lacks.", cure)
        if field in private:
            cure = "Say it without: sentences stand on pages and in alerts, unsealed."
            raise BadSchema(f"The sentence uses data.{field}, which is personal.", cure)


def _descend(node: nodes.Node) -> list[nodes.Node]:
    return [node, *(deeper for child in node.iter_child_nodes() for deeper in _descend(child))]


def _field(node: nodes.Node) -> str | None:
    if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name):
        return node.attr
    return None


class _Missing(Undefined):
    """A field that is not there: it may be tested, it may not be printed or reached into."""

    def __str__(self) -> str:
        raise UndefinedError("The data lacks a field that the sentence prints.")


class _Reader(ImmutableSandboxedEnvironment):
    """Reads members of JSON objects by name, never Python's own attributes."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Mapping) and attribute in obj:
            return cast("Mapping[str, Any]", obj)[attribute]
        return self.undefined(obj=obj, name=attribute)


def _plain(value: object) -> object:
    """Refuse to print what is no plain word: an object may be a sealed value."""
    if isinstance(value, str | int | float | Undefined) and not isinstance(value, bool):
        return value
    raise TypeError("A sentence prints text and numbers only.")


def _money(value: object) -> str:
    return parse_money(value).words()


def _day(value: object) -> str:
    instant = parse_time(value)
    return day_words(instant)


def _counted(value: object, one: str, many: str | None = None) -> str:
    """Give `3 items`, `1 item`; a list counts its members."""
    number = len(cast("list[object]", value)) if isinstance(value, list) else value
    if not isinstance(number, int | float):
        raise TypeError("Only numbers and lists are counted.")
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _words(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("Only text has words.")
    return value.replace("_", " ")


def _environment() -> SandboxedEnvironment:
    environment = _Reader(autoescape=False, undefined=_Missing, finalize=_plain)
    environment.globals.clear()
    environment.filters.clear()
    environment.filters.update(
        money=_money, day=_day, counted=_counted, words=_words, period=period_words
    )
    return environment


_ENVIRONMENT: Final = _environment()
_FILTER_NAMES: Final = ", ".join(sorted(_ENVIRONMENT.filters))
