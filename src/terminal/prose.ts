/**
 * A text written in lines for whoever reads the source, as paragraphs that oclif breaks by the terminal's width: lines are one paragraph
 * unless an empty line parts them.
 */
export function prose([text]: TemplateStringsArray): string {
  return text!.replace(/(?<!\n)\n(?!\n)/g, " ");
}
