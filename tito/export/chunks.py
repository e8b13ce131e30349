"""A cell's code as top-level chunks: a statement with the comments above it, as text."""

from __future__ import annotations

import ast
import io
import tokenize
from dataclasses import dataclass

from tito.course.cells import parse_python
from tito.errors import ExportError

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass
class Chunk:
    """Consecutive lines of a cell; `nodes` are the statements in them (none for a comment that stands alone).

    `gap` counts the blank lines above it in its cell; `place` names the cell.
    """

    text: str
    nodes: list[ast.stmt]
    gap: int
    place: str

    @property
    def node(self) -> ast.stmt | None:
        """The only statement, if there is exactly one."""
        return self.nodes[0] if len(self.nodes) == 1 else None

    @property
    def is_definition(self) -> bool:
        """A function or a class: gets two blank lines around it."""
        return isinstance(self.node, Definition)


@dataclass
class ClassParts:
    """A class as text: `head` up to its colon (comments and decorators included), and the lines of its body."""

    head: str
    body: str


def split_chunks(text: str, place: str) -> list[Chunk]:
    """The chunks of a cell, in order."""
    lines = text.split("\n")
    chunks: list[Chunk] = []
    done = 0  # lines before this one are in a chunk
    for node in parse_python(text, place).body:
        start, end = first_line(node) - 1, node.end_lineno or node.lineno
        if start < done:  # `a = 1; b = 2`
            chunks[-1].nodes.append(node)
            chunks[-1].text += "".join("\n" + line for line in lines[done:end])
            done = max(done, end)
            continue
        end = _with_indented_comments(lines, end)
        gap, top = _leading(lines, done, start)
        if isinstance(node, ast.Import | ast.ImportFrom):
            top = _split_off_comment(chunks, lines, top, start, gap, place)
        chunks.append(Chunk("\n".join(lines[top:end]), [node], gap, place))
        done = end
    gap, top = _leading(lines, done, len(lines))
    rest = "\n".join(lines[top:]).rstrip()
    if rest:
        chunks.append(Chunk(rest, [], gap, place))
    return chunks


def first_line(node: ast.stmt) -> int:
    """The first line of a statement, decorators included."""
    decorators = node.decorator_list if isinstance(node, Definition) else []
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def class_parts(chunk: Chunk, *, first: bool) -> ClassParts:
    """A class chunk taken apart at the colon of its head; a later piece loses its docstring.

    Raises ExportError when the body is not indented by four spaces.
    """
    node = ast.parse(chunk.text).body[0]
    assert isinstance(node, ast.ClassDef)
    line, column = _head_end(chunk.text)
    lines = chunk.text.split("\n")
    head, rest = "\n".join([*lines[: line - 1], lines[line - 1][:column]]), lines[line - 1][column:].strip()
    dropped = _dropped_lines(node, first)
    if node.body[0].lineno == line:
        return ClassParts(head, "" if line in dropped else f"    {rest}")
    if node.body[0].col_offset != 4:
        raise ExportError(
            f"{chunk.place}: expected the body of class {node.name} indented by 4 spaces, found "
            f"{node.body[0].col_offset}: indent it by 4"
        )
    body = [text for number, text in enumerate(lines[line:], line + 1) if number not in dropped]
    return ClassParts(f"{head}  {rest}".rstrip(), "\n".join(body).strip("\n"))


def _dropped_lines(node: ast.ClassDef, first: bool) -> set[int]:
    """Lines of the body that the joined class has no use for: a later docstring, a lone `pass`."""
    statements = list(node.body)
    dropped = [statements.pop(0)] if not first and ast.get_docstring(node) is not None else []
    if len(statements) == 1 and isinstance(statements[0], ast.Pass):
        dropped.append(statements[0])
    return {line for item in dropped for line in range(item.lineno, (item.end_lineno or item.lineno) + 1)}


def _head_end(text: str) -> tuple[int, int]:
    """Line (from 1) and column just after the colon that ends the class head."""
    depth, seen = 0, False
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME and token.string == "class" and depth == 0:
            seen = True
        elif token.type == tokenize.OP and token.string in "([{":
            depth += 1
        elif token.type == tokenize.OP and token.string in ")]}":
            depth -= 1
        elif seen and depth == 0 and token.type == tokenize.OP and token.string == ":":
            return token.end
    raise ValueError(f"no class head in {text!r}")


def _leading(lines: list[str], done: int, start: int) -> tuple[int, int]:
    """Blank lines after `done`, and the first line that is not blank (at most `start`)."""
    top = done
    while top < start and not lines[top].strip():
        top += 1
    return top - done, top


def _with_indented_comments(lines: list[str], end: int) -> int:
    """`end` moved behind comments that are indented, and so belong to the definition above them."""
    last = end
    for number in range(end, len(lines)):
        if lines[number].strip() and not lines[number].startswith((" ", "\t")):
            break
        if lines[number].strip():
            last = number + 1
    return last


def _split_off_comment(chunks: list[Chunk], lines: list[str], top: int, start: int, gap: int, place: str) -> int:
    """Make comments that a blank line parts from an import their own chunk; returns where the import's text begins."""
    blank = next((number for number in range(start - 1, top - 1, -1) if not lines[number].strip()), None)
    if blank is None:
        return top
    chunks.append(Chunk("\n".join(lines[top:blank]).rstrip(), [], gap, place))
    return blank + 1
