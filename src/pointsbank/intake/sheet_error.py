"""What can be wrong with a file of records as a whole, in words for the person who brought it.

A wrong *line* is no error: it comes through and gets a verdict. A `SheetError` means that the file cannot be
read reliably, so that nothing of it may be judged. Every code has its heading in docs/hours-import.md.
"""

from __future__ import annotations

from typing import Final

# code -> (Chinese sentence, English sentence): what is wrong, where, and what to do now.
SENTENCES: Final[dict[str, tuple[str, str]]] = {
    "not-a-file": (
        "“{name}”不是普通文件。请给出一个 CSV 或 XLSX 文件。",
        "“{name}” is not a regular file. Give a CSV or XLSX file.",
    ),
    "empty-file": (
        "文件“{name}”是空的（没有任何内容）。请重新导出后再导入。",
        "The file “{name}” is empty. Export it again, then import.",
    ),
    "binary-file": (
        "“{name}”不是表格文件，看起来是{what}。请另存为“CSV UTF-8”或“Excel 工作簿 (.xlsx)”后再导入。",
        "“{name}” is not a table; it looks like {what}. Save it as “CSV UTF-8” or “Excel workbook (.xlsx)”.",
    ),
    "old-excel": (
        "“{name}”是旧版 Excel 文件 (.xls)、二进制工作簿 (.xlsb) 或带密码的工作簿，不能读取。请在 Excel 或"
        " WPS 中去掉密码，另存为“Excel 工作簿 (.xlsx)”后再导入。",
        "“{name}” is an old Excel file (.xls), a binary workbook (.xlsb) or one with a password. Remove "
        "the password and save it as “Excel workbook (.xlsx)”.",
    ),
    "macro-workbook": (
        "“{name}”含有宏（{member}），不予读取。请另存为不带宏的“Excel 工作簿 (.xlsx)”后再导入。",
        "“{name}” contains macros ({member}) and is not read. Save it as “Excel workbook (.xlsx)” "
        "without macros.",
    ),
    "not-a-workbook": (
        "“{name}”是压缩包，但不是 .xlsx 工作簿（缺少 {member}）。请另存为“Excel 工作簿 (.xlsx)”后再导入。",
        "“{name}” is a zip archive but not an .xlsx workbook ({member} is missing). Save it as “Excel "
        "workbook (.xlsx)”.",
    ),
    "zip-unsafe": (
        "“{name}”的压缩内容不安全，未予读取：{reason_zh}。如果这是正常的表格，请用 Excel 或 WPS 打开，把"
        "数据复制到新工作簿再导入，或另存为“CSV UTF-8”。",
        "“{name}” is not safe to unpack and was not read: {reason_en}. If it is an ordinary table, open "
        "it in a spreadsheet, copy the data into a new workbook, or save it as “CSV UTF-8”.",
    ),
    "workbook-damaged": (
        "工作簿“{name}”已损坏（{part}：{reason}）。请用 Excel 或 WPS 打开并重新保存，或重新导出后再导入。",
        "The workbook “{name}” is damaged ({part}: {reason}). Open and save it again in a spreadsheet, "
        "or export it again.",
    ),
    "xml-unsafe": (
        "工作簿“{name}”的 {part} 含有表格不会有的 XML 内容（{reason}），不予读取。请用 Excel 或 WPS 重新"
        "保存后再导入。",
        "{part} of the workbook “{name}” holds XML that no spreadsheet writes ({reason}); it was not "
        "read. Save it again in a spreadsheet.",
    ),
    "formula": (
        "工作表“{sheet}”的单元格 {cell} 是公式。导入不计算公式：请复制该列，用“选择性粘贴→数值”替换公式后"
        "再导入。",
        "Cell {cell} of sheet “{sheet}” is a formula. Formulas are not calculated: copy the column, "
        "paste it as values over itself, then import.",
    ),
    "no-matching-sheet": (
        "工作簿里没有一张工作表带有所需的表头。找到的工作表：{sheets}。请在表头一行写上：{expected}。",
        "No sheet of the workbook has the header that is needed. Sheets found: {sheets}. The header "
        "names are: {expected}.",
    ),
    "encoding": (
        "文件既不是 UTF-8 也不是 GB18030 编码：第 {line} 行、第 {offset} 字节（从 0 数起）是无效字节 0x"
        "{byte}（按 {tried} 读取）。请在 Excel 或 WPS 中另存为“CSV UTF-8”后再导入。",
        "The file is neither UTF-8 nor GB18030: byte {offset} (counted from 0), in line {line}, is 0x"
        "{byte}, which {tried} does not allow. Save it as “CSV UTF-8”.",
    ),
    "encoding-utf16": (
        "文件是 UTF-16 编码（Excel 的“Unicode 文本”）。请另存为“CSV UTF-8”后再导入。",
        "The file is UTF-16 (Excel’s “Unicode text”). Save it as “CSV UTF-8”.",
    ),
    "encoding-ambiguous": (
        "看不出文件是 UTF-8 还是 GB18030 编码：第 {line} 行的文字两种读法都通。请另存为“CSV UTF-8”（带 "
        "BOM）后再导入，或在导入时指明编码。",
        "The file could be UTF-8 or GB18030: the text in line {line} can be read as either. Save it as "
        "“CSV UTF-8” (with BOM), or name the encoding when you import.",
    ),
    "control-character": (
        "第 {line} 行、第 {offset} 字节（从 0 数起）是不可见的控制字符 0x{byte}。文件可能已损坏，请重新导"
        "出后再导入。",
        "Byte {offset} (counted from 0), in line {line}, is the control character 0x{byte}. The file may "
        "be damaged; export it again.",
    ),
    "lone-cr": (
        "第 {line} 行里有单独的回车符 CR（第 {offset} 字节）。请用 Windows 或 Unix 换行另存为“CSV UTF-8”"
        "后再导入。",
        "Line {line} contains a carriage return without a line feed (byte {offset}). Save the file with "
        "Windows or Unix line ends.",
    ),
    "line-too-long": (
        "第 {line} 行超过 {limit} 字节，不是正常的记录。请检查文件是否缺少换行或已损坏。",
        "Line {line} is longer than {limit} bytes, which no record is. Check for missing line ends.",
    ),
    "field-too-long": (
        "{where_zh} 的内容超过 {limit} 个字符。请缩短后再导入（多半是引号或换行有误）。",
        "The text in {where_en} is longer than {limit} characters. Shorten it (a quote or a line end is "
        "probably wrong).",
    ),
    "too-many-columns": (
        "{where_zh} 有内容，超出了 {limit} 列。请删除表格右侧多余的内容后再导入。",
        "{where_en} is not empty, beyond {limit} columns. Delete what stands right of the table.",
    ),
    "unbalanced-quotes": (
        '第 {line} 行的双引号不成对（第 {column} 列）。单元格内不能换行；单元格里的引号要写成两个 ""。请'
        "改正后再导入。",
        "The double quotes in line {line} do not match (column {column}). A cell may not contain a line "
        "break, and a quote inside a cell is written twice.",
    ),
    "wrong-separator": (
        "第 {line} 行的表头用{found}分隔，应该用英文逗号。请另存为“CSV UTF-8（逗号分隔）”后再导入。",
        "The header in line {line} is separated by {found} instead of commas. Save the file as “CSV "
        "UTF-8 (comma delimited)”.",
    ),
    "no-header": (
        "前 {searched} 行里没有找到表头。表头一行应有这些列（次序不限）：{expected}。",
        "No header in the first {searched} lines. It must name these columns, in any order: {expected}.",
    ),
    "wrong-columns": (
        "{sheet_zh}第 {line} 行的表头不对：{problems_zh}。请改正表头后再导入。",
        "The header in line {line}{sheet_en} is wrong: {problems_en}. Correct it, then import.",
    ),
    "no-rows": (
        "“{name}”只有表头，没有任何记录。",
        "“{name}” has a header but no record.",
    ),
    "report-not-ours": (
        "“{name}”已存在，但不是本程序写的导入报告，未予覆盖。请换一个报告文件名。",
        "“{name}” exists and is not a report of an import, so it was left alone. Choose another name for "
        "the report.",
    ),
}


class SheetError(Exception):
    """The file cannot be read as a sheet of records; `code` is stable, the sentences are for people.

    `facts` holds the plain values behind the sentences (line, offset, cell, …) for tests and `--json`.
    """

    def __init__(self, code: str, **facts: str | int) -> None:
        chinese, english = SENTENCES[code]
        self.code = code
        self.facts = facts
        self.chinese = chinese.format_map(facts)
        self.english = english.format_map(facts)
        super().__init__(f"{self.chinese}\n{self.english}")
