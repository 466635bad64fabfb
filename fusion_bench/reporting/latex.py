"""Sheets as LaTeX tables with the rules of booktabs, the best of a column bold, the second best underlined."""

from __future__ import annotations

import unicodedata

from fusion_bench.reporting.sheets import Cell, Figure, Sheet, cell_text, mean_text, std_text

PREAMBLE = "% Tables to \\input; the document needs \\usepackage{booktabs} and, for wide ones, {graphicx}.\n"
_PAGE = 60  # characters; a table of more may be wider than the text and is made smaller then
_SHRINK = "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%"
_ESCAPES = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": "\\textbackslash{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
    "|": "\\textbar{}",
    '"': "\\textquotedbl{}",
    "±": "$\\pm$",
    "×": "$\\times$",
    "·": "$\\cdot$",
    "−": "$-$",
    "→": "$\\to$",
    "∞": "$\\infty$",
    "√": "$\\surd$",
    "…": "\\ldots{}",
    "–": "--",
    "—": "---",
    "\u00a0": "~",
    "°": "\\textdegree{}",
    "µ": "$\\mu$",
}
_GREEK = (
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu"),
    *("xi", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega"),
)
_CAPITAL_GREEK = ("gamma", "delta", "theta", "lambda", "xi", "pi", "sigma", "upsilon", "phi", "psi", "omega")
# Accented letters that LaTeX knows without another package or font.
_LETTERS = "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿČčĎďĚěŁłŃńŇňŐőŘřŚśŠšŤťŮůŰűŹźŻżŽž"


def sheet_latex(sheet: Sheet) -> str:
    """A ``table`` with caption, label, ``tabular``, and the notes as comments."""
    columns = "l" * sheet.left + "r" * (len(sheet.header) - sheet.left)
    rows = [" & ".join(_cell(cell, sheet.decimals) for cell in row) for row in sheet.rows]
    texts = [sheet.header, *([cell_text(cell, sheet.decimals) for cell in row] for row in sheet.rows)]
    shrunk = sum(max(map(len, column)) + 2 for column in zip(*texts, strict=True)) > _PAGE
    lines = [
        *(f"% {' '.join(note.split())}" for note in sheet.notes),
        "\\begin{table}",
        "\\centering",
        f"\\caption{{{escape_latex(sheet.title)}}}",
        *([_SHRINK] if shrunk else []),
        f"\\begin{{tabular}}{{{columns}}}",
        "\\toprule",
        f"{' & '.join(map(escape_latex, sheet.header))} \\\\",
        "\\midrule",
        *(f"{row} \\\\" for row in rows),
        "\\bottomrule",
        "\\end{tabular}}" if shrunk else "\\end{tabular}",
        "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


def escape_latex(text: str) -> str:
    """Text in which nothing is a command; a character that pdflatex cannot print becomes its number, ``U+65E5``."""
    return "".join(map(_escaped, " ".join(text.split())))


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if (character.isascii() and character.isprintable()) or character in _LETTERS:
        return character
    name = unicodedata.name(character, "").lower()
    letter = name.rpartition(" ")[2].replace("lamda", "lambda")
    if name.startswith("greek small letter") and letter in _GREEK and len(name.split()) == 4:
        return f"$\\{letter}$"
    if name.startswith("greek capital letter") and letter in _CAPITAL_GREEK and len(name.split()) == 4:
        return f"$\\{letter.capitalize()}$"
    return f"U+{ord(character):04X}"


def _cell(cell: Cell, decimals: int) -> str:
    if isinstance(cell, str):
        # A tabular takes [ for an option of the line break before it, and a quote would join others to a ligature.
        text = escape_latex(cell)
        return f"{{}}{text}" if text.startswith(("[", "*")) else text
    return _figure(cell, decimals)


def _figure(figure: Figure, decimals: int) -> str:
    text = " \\pm ".join(part for part in (mean_text(figure, decimals), std_text(figure, decimals)) if part)
    if not text:
        return ""
    if figure.mark == "best":
        return f"$\\mathbf{{{text}}}$"
    return f"\\underline{{${text}$}}" if figure.mark == "second" else f"${text}$"
