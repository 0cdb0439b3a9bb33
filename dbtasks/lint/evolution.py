"""What each act changes in what is known: the tables made in a run, their columns, constraints and indexes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from dbtasks.lint.acts import Act
from dbtasks.lint.catalogue import Column, Constraint, Index, Name, Table
from dbtasks.lint.tree import Node
from dbtasks.lint.types import type_of

if TYPE_CHECKING:
    from dbtasks.lint.world import World

KINDS = {
    "CONSTR_CHECK": "c",
    "CONSTR_FOREIGN": "f",
    "CONSTR_PRIMARY": "p",
    "CONSTR_UNIQUE": "u",
    "CONSTR_EXCLUSION": "x",
    "CONSTR_NOTNULL": "n",
}


def constraint_of(node: Node, name: str = "") -> Constraint:
    """Return a constraint as its tree says it."""
    kind = KINDS.get(node.text("contype"), "")
    about = {*node.names("keys"), *node.names("fk_attrs"), *mentioned(node.child("raw_expr"))}
    proven = {"c": proven_not_null(node.child("raw_expr")), "n": set(node.names("keys"))}.get(kind, set())
    return Constraint(
        name=name or node.text("conname"),
        kind=kind,
        validated=not node.flag("skip_validation"),
        about=frozenset(about),
        proves=frozenset(proven),
    )


def mentioned(expression: Node) -> set[str]:
    """Return the columns that an expression mentions."""
    fields = (each.names("fields") for each in expression.walk() if each.kind == "ColumnRef")
    return {names[-1] for names in fields if names}


def proven_not_null(expression: Node) -> set[str]:
    """Return the columns that cannot be NULL where a CHECK holds: `a IS NOT NULL`, alone or in an AND."""
    if expression.kind == "NullTest" and expression.text("nulltesttype") == "IS_NOT_NULL":
        return mentioned(expression)
    if expression.kind == "BoolExpr" and expression.text("boolop") == "AND_EXPR":
        return {name for each in expression.children("args") for name in proven_not_null(each)}
    return set()


def _create(act: Act, world: World) -> None:
    name = world.name(act.relation)
    # Where nobody knows better, IF NOT EXISTS may have found a table that people use.
    if act.node.flag("if_not_exists") and not world.absent(name):
        return
    elements = act.node.children("table_elts")
    columns = {each.text("colname"): _column(each) for each in elements if each.kind == "ColumnDef"}
    constraints = tuple(constraint_of(each) for each in elements if each.kind == "Constraint")
    schema, bare = name
    world.make(name, Table(schema=schema, name=bare, columns=columns, constraints=constraints))


def _create_as(act: Act, world: World) -> None:
    relation = act.node.child("into").child("rel") or act.node.child("into_clause").child("rel")
    if relation and not (act.node.flag("if_not_exists") and not world.absent(world.name(relation))):
        schema, name = world.name(relation)
        world.make((schema, name), Table(schema=schema, name=name))


def _create_view(act: Act, world: World) -> None:
    world.views.add(world.name(act.node.child("view")))


def _create_index(act: Act, world: World) -> None:
    name = world.name(act.relation)
    columns = tuple(each.text("name") for each in act.node.children("index_params"))
    index = Index(name=act.node.text("idxname"), columns=columns, unique=act.node.flag("unique"))
    world.indexes[(name[0], index.name)] = name
    world.alter(name, lambda table: replace(table, indexes=(*table.indexes, index)))


def _create_policy(act: Act, world: World) -> None:
    name = world.name(act.node.child("table"))
    world.policies_made.add(name)
    world.alter(name, lambda table: replace(table, policies=table.policies + 1))


def _drop(act: Act, world: World) -> None:
    for each in act.node.children("objects"):
        words = each.names("items") or ((each.text("sval"),) if each.kind == "String" else ())
        world.forget(world.resolved(words))


def _rename(act: Act, world: World) -> None:
    kind, name, new = act.node.text("rename_type"), world.name(act.relation), act.node.text("newname")
    if kind == "OBJECT_TABLE" and name in world.tables:
        table, made = world.tables[name], name in world.new_names
        world.forget(name)
        world.tables[(name[0], new)] = replace(table, name=new)
        world.new_names |= {(name[0], new)} if made else set()
    elif kind == "OBJECT_COLUMN":
        old = act.node.text("subname")
        world.alter(name, lambda table: _with_columns(table, lambda columns: _moved(columns, old, new)))


def _moved(columns: dict[str, Column], old: str, new: str) -> dict[str, Column]:
    return {(new if each == old else each): column for each, column in columns.items()}


def _with_columns(table: Table, change: Callable[[dict[str, Column]], dict[str, Column]]) -> Table:
    return table if table.columns is None else replace(table, columns=change(dict(table.columns)))


def _column(node: Node) -> Column:
    kinds = {each.text("contype") for each in node.children("constraints")}
    not_null = bool(kinds & {"CONSTR_NOTNULL", "CONSTR_PRIMARY", "CONSTR_IDENTITY"})
    return Column(name=node.text("colname"), type=type_of(node.child("type_name")), not_null=not_null)


def _add_column(act: Act, world: World) -> None:
    column = _column(act.definition)
    world.alter(world.name(act.relation), lambda table: _with_columns(table, lambda has: has | {column.name: column}))


def _drop_column(act: Act, world: World) -> None:
    gone = act.node.text("name")
    world.alter(
        world.name(act.relation),
        lambda table: _with_columns(table, lambda has: {name: each for name, each in has.items() if name != gone}),
    )


def _change_type(act: Act, world: World) -> None:
    name, type_ = act.node.text("name"), type_of(act.definition.child("type_name"))
    change = _set(name, type=type_)
    world.alter(world.name(act.relation), change)


def _set(name: str, **values: object) -> Callable[[Table], Table]:
    def changed(has: dict[str, Column]) -> dict[str, Column]:
        return has | {name: replace(has.get(name, Column(name=name)), **values)}  # type: ignore[arg-type]  # by name

    return lambda table: _with_columns(table, changed)


def _set_not_null(act: Act, world: World) -> None:
    world.alter(world.name(act.relation), _set(act.node.text("name"), not_null=True))


def _drop_not_null(act: Act, world: World) -> None:
    world.alter(world.name(act.relation), _set(act.node.text("name"), not_null=False))


def _add_constraint(act: Act, world: World) -> None:
    constraint = constraint_of(act.definition)
    name = world.name(act.relation)
    if name not in world.tables:  # unknown till now, and known from here on to have this
        world.tables[name] = Table(schema=name[0], name=name[1])
    world.alter(name, lambda table: replace(table, constraints=(*table.constraints, constraint)))


def _validate_constraint(act: Act, world: World) -> None:
    wanted = act.node.text("name")

    def validated(table: Table) -> Table:
        new = (replace(each, validated=each.validated or each.name == wanted) for each in table.constraints)
        return replace(table, constraints=tuple(new))

    world.alter(world.name(act.relation), validated)


def _drop_constraint(act: Act, world: World) -> None:
    gone = act.node.text("name")
    world.alter(
        world.name(act.relation),
        lambda table: replace(table, constraints=tuple(each for each in table.constraints if each.name != gone)),
    )


def _set_schema(act: Act, world: World) -> None:
    name: Name = world.name(act.relation)
    if name in world.tables:
        table, schema = world.tables[name], act.node.text("newschema")
        world.forget(name)
        world.tables[(schema, name[1])] = replace(table, schema=schema)


def _set_variable(act: Act, world: World) -> None:
    if act.node.text("name") == "search_path":
        words = (each.child("sval").text("sval") for each in act.node.children("args"))
        world.search_path = tuple(word for word in words if word and word != "$user") or world.catalogue.search_path


CHANGES: dict[str, Callable[[Act, World], None]] = {
    "CreateStmt": _create,
    "CreateTableAsStmt": _create_as,
    "SelectStmt": _create_as,
    "ViewStmt": _create_view,
    "IndexStmt": _create_index,
    "CreatePolicyStmt": _create_policy,
    "DropStmt": _drop,
    "RenameStmt": _rename,
    "AlterObjectSchemaStmt": _set_schema,
    "VariableSetStmt": _set_variable,
    "AT_AddColumn": _add_column,
    "AT_DropColumn": _drop_column,
    "AT_AlterColumnType": _change_type,
    "AT_SetNotNull": _set_not_null,
    "AT_DropNotNull": _drop_not_null,
    "AT_AddConstraint": _add_constraint,
    "AT_ValidateConstraint": _validate_constraint,
    "AT_DropConstraint": _drop_constraint,
}
