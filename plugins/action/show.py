# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action behind the module C(show): it prints on the controller, nothing runs on the host."""
from __future__ import annotations

import json
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

display = Display()


def table(rows: list[dict[str, Any]]) -> str:
    """Rows with the same keys as a table; numbers to the right, everything else to the left."""
    if not rows:
        return "(nothing)"
    columns = list(rows[0])
    cells = [["" if row.get(column) is None else str(row[column]) for column in columns] for row in rows]
    titles = [column.replace("_utc", " (UTC)").replace("_", " ") for column in columns]
    widths = [max(len(line[i]) for line in [titles, *cells]) for i in range(len(columns))]
    right = [all(isinstance(row.get(column), (int, float)) for row in rows) for column in columns]

    def line(values: list[str]) -> str:
        padded = (v.rjust(w) if r else v.ljust(w) for v, w, r in zip(values, widths, right))
        return "  ".join(padded).rstrip()

    return "\n".join([line(titles), line(["-" * width for width in widths]), *map(line, cells)])


def search(query: str, data: Any) -> Any:
    """The part of the data that a JMESPath expression selects.

    :raises AnsibleActionFail: for a wrong expression, or without the library.
    """
    try:
        import jmespath
        from jmespath.exceptions import JMESPathError
    except ImportError as error:
        raise AnsibleActionFail("The option `query` needs the Python library jmespath on the controller.") from error
    try:
        # Through JSON: the values that Ansible hands over are subclasses that jmespath takes for unknown types.
        return jmespath.search(query, json.loads(json.dumps(data)))
    except JMESPathError as error:
        raise AnsibleActionFail(f"The query {query!r} is no JMESPath expression that fits the data: {error}") from error


class ActionModule(ActionBase):
    """Print text, a table, or what a query selects."""

    TRANSFERS_FILES = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """See the module's DOCUMENTATION."""
        result = super().run(tmp, task_vars)
        _validated, args = self.validate_argument_spec(
            argument_spec={
                "text": {"type": "str"},
                "rows": {"type": "list", "elements": "dict"},
                "data": {"type": "dict"},
                "query": {"type": "str"},
                "warning": {"type": "bool", "default": False},
            },
            required_by={"query": ["data"]},
            required_one_of=[("text", "rows", "data")],
        )
        # A sentence that is left out at the end of a line leaves its blank.
        parts = ["\n".join(line.rstrip() for line in args["text"].split("\n"))] if args["text"] else []
        if args["query"]:
            parts.append(json.dumps(search(args["query"], args["data"]), indent=2, ensure_ascii=False))
        elif args["rows"] is not None:
            parts.append(table(args["rows"]))
        elif args["data"] is not None:
            parts.append(json.dumps(args["data"], indent=2, ensure_ascii=False))
        text = "\n".join(parts)
        if args["warning"]:
            display.warning(text)
        else:
            display.display(text)
        return {**result, "changed": False, "text": text}
