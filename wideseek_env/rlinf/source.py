"""The Python files of a checkout, parsed, and the values of their functions for given arguments.

`Source.call` computes what a small function returns: one that joins constants, formats texts and chooses by its
arguments. No code of the checkout is run.
"""

from __future__ import annotations

import ast
import tokenize
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from wideseek_env.errors import ConfigError
from wideseek_env.reprs import short

FOLDER = "wideseek_r1"
_MOST_FILES = 200
_DEEPEST = 20

Definition: TypeAlias = ast.expr | ast.FunctionDef | ast.AsyncFunctionDef


class Unreadable(Exception):
    """A text cannot be found, or its code cannot be read without running it."""


class Source:
    """The parsed files of the folder ``wideseek_r1`` of a checkout.

    Args:
        checkout: The checkout, or a folder in it.

    Raises:
        ConfigError: There is no such folder, it has no Python files, or a file is not Python.
    """

    def __init__(self, checkout: Path | str) -> None:
        self.folder = _folder(Path(checkout).expanduser())
        self.modules: dict[Path, ast.Module] = {}
        self.names: dict[str, Definition] = {}
        files = sorted(self.folder.rglob("*.py"))
        if not files or len(files) > _MOST_FILES:
            raise ConfigError(
                f"{self.folder} has {len(files) or 'no'} Python files; give a checkout of RLinf, or its folder "
                f"rlinf/agents/{FOLDER}"
            )
        for path in files:
            self.modules[path] = module = _parsed(path)
            for statement in module.body:
                self._define(statement)

    def _define(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self.names[name] = value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                self.names[name] = value
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                self.names[name] = statement

    def constant(self, name: str) -> Any:
        """The value of a variable of a module."""
        definition = self.names.get(name)
        if not isinstance(definition, ast.expr):
            raise Unreadable(f"{name} is not there")
        return Evaluation(self).value(definition, {}, 0)


class Evaluation:
    """The computation of one value. `inserted` has the fixed texts that were formatted into other texts."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.inserted: list[str] = []

    def call(self, name: str, arguments: Mapping[str, Any], depth: int = 0) -> Any:
        """What the function `name` returns. Parameters without an argument have their defaults."""
        function = self.source.names.get(name)
        if not isinstance(function, ast.FunctionDef):
            raise Unreadable(f"the function {name} is not there")
        if depth > _DEEPEST:
            raise Unreadable(f"the function {name} calls itself too often")
        parameters = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        names = [each.arg for each in parameters]
        defaults: dict[str, ast.expr] = {}
        positional = names[: len(names) - len(function.args.kwonlyargs)]
        if function.args.defaults:
            defaults |= zip(positional[-len(function.args.defaults) :], function.args.defaults, strict=True)
        for each, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True):
            if default is not None:
                defaults[each.arg] = default
        scope: dict[str, Any] = {}
        for parameter in names:
            if parameter in arguments:
                scope[parameter] = arguments[parameter]
            elif parameter in defaults:
                scope[parameter] = self.value(defaults[parameter], {}, depth)
            else:
                raise Unreadable(f"the function {name} has the unknown parameter {parameter}")
        if unknown := arguments.keys() - scope.keys():
            raise Unreadable(f"the function {name} has no parameter {sorted(unknown)[0]}")
        returned, value = self._run(function.body, scope, depth)
        if not returned:
            raise Unreadable(f"the function {name} returns nothing")
        return value

    def _run(self, body: list[ast.stmt], scope: dict[str, Any], depth: int) -> tuple[bool, Any]:
        for statement in body:
            match statement:
                case ast.Return(value=value):
                    return True, None if value is None else self.value(value, scope, depth)
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    scope[name] = self.value(value, scope, depth)
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    scope[name] = self.value(value, scope, depth)
                case ast.AugAssign(target=ast.Name(id=name), op=ast.Add(), value=value):
                    scope[name] = _added(scope.get(name), self.value(value, scope, depth), statement)
                case ast.If(test=test, body=inner, orelse=other):
                    chosen = inner if self.value(test, scope, depth) else other
                    returned, result = self._run(chosen, scope, depth)
                    if returned:
                        return True, result
                case ast.Expr(value=ast.Constant()) | ast.Assert() | ast.Pass():
                    pass
                case _:
                    raise Unreadable(f"line {statement.lineno}: {type(statement).__name__} is not read")
        return False, None

    def value(self, node: ast.expr, scope: Mapping[str, Any], depth: int) -> Any:
        """The value of an expression."""
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                if name in scope:
                    return scope[name]
                definition = self.source.names.get(name)
                if not isinstance(definition, ast.expr) or depth > _DEEPEST:
                    raise Unreadable(f"{name} is not there")
                return self.value(definition, {}, depth + 1)
            case ast.JoinedStr(values=parts):
                return "".join(self._piece(part, scope, depth) for part in parts)
            case ast.Dict(keys=keys, values=values):
                return {
                    self.value(key, scope, depth): self.value(value, scope, depth)
                    for key, value in zip(keys, values, strict=True)
                    if key is not None
                }
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return [self.value(item, scope, depth) for item in items]
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return _added(self.value(left, scope, depth), self.value(right, scope, depth), node)
            case ast.IfExp(test=test, body=body, orelse=other):
                return self.value(body if self.value(test, scope, depth) else other, scope, depth)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not self.value(operand, scope, depth)
            case ast.BoolOp(op=op, values=values):
                results = [self.value(each, scope, depth) for each in values]
                return all(results) if isinstance(op, ast.And) else any(results)
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return _compared(self.value(left, scope, depth), op, self.value(right, scope, depth), node)
            case ast.Subscript(value=inner, slice=key):
                holder, at = self.value(inner, scope, depth), self.value(key, scope, depth)
                if isinstance(holder, (dict, list)):
                    try:
                        return holder[at]
                    except (KeyError, IndexError, TypeError):
                        pass
                raise Unreadable(f"line {node.lineno}: {short(at)} is not there")
            case ast.Call():
                return self._call(node, scope, depth)
        raise Unreadable(f"line {node.lineno}: {type(node).__name__} is not read")

    def _piece(self, part: ast.expr, scope: Mapping[str, Any], depth: int) -> str:
        if isinstance(part, ast.FormattedValue):
            if part.format_spec is not None or part.conversion != -1:
                raise Unreadable(f"line {part.lineno}: a format in an f-string is not read")
            return str(self.value(part.value, scope, depth))
        return str(self.value(part, scope, depth))

    def _call(self, node: ast.Call, scope: Mapping[str, Any], depth: int) -> Any:
        given = [self.value(each, scope, depth) for each in node.args]
        named = {each.arg: self.value(each.value, scope, depth) for each in node.keywords if each.arg}
        match node.func:
            case ast.Attribute(value=inner, attr="format"):
                text = self.value(inner, scope, depth)
                if isinstance(text, str):
                    given = [self._marked(each) for each in given]
                    try:
                        return text.format(*given, **named)
                    except (ValueError, IndexError, KeyError, AttributeError) as error:
                        raise Unreadable(
                            f"line {node.lineno}: a template does not fit its values ({error})"
                        ) from error
            case ast.Attribute(value=inner, attr="strip"):
                text = self.value(inner, scope, depth)
                if isinstance(text, str) and not node.args:
                    return text.strip()
            case ast.Name(id=name):
                function = self.source.names.get(name)
                if isinstance(function, ast.FunctionDef):
                    names = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
                    if len(given) <= len(names):
                        return self.call(name, {**dict(zip(names, given, strict=False)), **named}, depth + 1)
                raise Unreadable(f"the function {name} is not there")
        raise Unreadable(f"line {node.lineno}: {short(ast.unparse(node.func))} is not read")

    def _marked(self, value: Any) -> Any:
        """A fixed text that is formatted into another one becomes a mark, so that both can be told apart."""
        if not isinstance(value, str) or MARK in value:
            return value
        self.inserted.append(value)
        return mark("answer")


MARK = "\ue000"
"""Encloses the name of a field in a text that has been computed."""


def mark(name: str) -> str:
    """A text that stands for the field `name`."""
    return f"{MARK}{name}{MARK}"


def _added(left: Any, right: Any, node: ast.stmt | ast.expr) -> Any:
    if type(left) is type(right) and isinstance(left, (str, list)):
        total: Any = left + right
        return total
    raise Unreadable(f"line {node.lineno}: this sum is not read")


def _compared(left: Any, op: ast.cmpop, right: Any, node: ast.expr) -> bool:
    match op:
        case ast.Eq() | ast.Is():
            return bool(left == right)
        case ast.NotEq() | ast.IsNot():
            return bool(left != right)
        case ast.In() if isinstance(right, (list, str)):
            return left in right
    raise Unreadable(f"line {node.lineno}: this comparison is not read")


def _folder(checkout: Path) -> Path:
    if not checkout.is_dir():
        raise ConfigError(f"{checkout} is no folder; give a checkout of RLinf")
    usual = checkout / "rlinf" / "agents" / FOLDER
    if usual.is_dir():
        return usual
    if checkout.name == FOLDER:
        return checkout
    for found in sorted(checkout.rglob(FOLDER)):
        if found.is_dir() and any(found.rglob("prompt*.py")):
            return found
    raise ConfigError(
        f"{checkout} has no folder {FOLDER} with prompts; give a checkout of RLinf "
        "(https://github.com/RLinf/RLinf)"
    )


def _parsed(path: Path) -> ast.Module:
    try:
        with tokenize.open(path) as file:  # honours the encoding that a file declares
            return ast.parse(file.read())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(f"{path} cannot be read as Python: {error}") from error
