import { parser } from '@prometheus-io/lezer-promql';

/** What an expression asks of a metric: its name, and the labels that it compares, with the values that it names. */
type Asked = { metric: string; compared: { label: string; values: string[] }[] };

/** What an expression names; `problems` are the places where it is no PromQL. */
export type Expression = { asked: Asked[]; grouped: string[]; problems: string[] };

type Node = ReturnType<typeof parser.parse>['topNode'];

/** Reads an expression. What a dashboard puts in, such as `$instance`, stands in it already as a value. */
export function readPromql(text: string): Expression {
  const asked: Asked[] = [];
  const grouped: string[] = [];
  const problems: string[] = [];
  const textOf = ({ from, to }: { from: number; to: number }) => text.slice(from, to);
  parser.parse(text).iterate({
    enter({ type, node }) {
      if (type.isError) problems.push(text.slice(node.from, node.from + 30));
      if (type.name === 'GroupingLabels') grouped.push(...node.getChildren('LabelName').map(textOf));
      if (type.name === 'VectorSelector') asked.push(selector(node, textOf));
    },
  });
  return { asked, grouped, problems };
}

function selector(node: Node, textOf: (place: { from: number; to: number }) => string): Asked {
  const name = node.getChild('Identifier');
  const matchers = node.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? [];
  return {
    metric: name ? textOf(name) : '',
    compared: matchers.map((matcher) => {
      const [label, value] = [matcher.getChild('LabelName'), matcher.getChild('StringLiteral')];
      return {
        label: label ? textOf(label) : '',
        values: value ? textOf(value).slice(1, -1).split('|') : [],
      };
    }),
  };
}
