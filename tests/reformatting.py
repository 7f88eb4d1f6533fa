"""Source files written anew without a change of what they do."""

import ast


class Redocumented(ast.NodeTransformer):
    """Another text for each string that stands alone, and one where there is none."""

    def visit_Expr(self, node):
        text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return ast.Expr(ast.Constant("Another text.")) if text else self.generic_visit(node)

    def visit_FunctionDef(self, node):
        self.generic_visit(node)
        return node if ast.get_docstring(node) else ast.FunctionDef(**{**vars(node), "body": [TEXT, *node.body]})


TEXT = ast.Expr(ast.Constant("A function."))


def reformatted(code: str) -> str:
    """Code of the same meaning, with other comments, docstrings, blank lines, quotes and line breaks."""
    lines = ast.unparse(ast.fix_missing_locations(Redocumented().visit(ast.parse(code)))).splitlines()
    return "# A comment.\n\n\n" + "\n".join(lines) + "\n\n\n# The end."
