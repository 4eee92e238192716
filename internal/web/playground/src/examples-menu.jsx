import { ChevronDownIcon, ToolbarMenu, UnStyledButton, useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { EXAMPLES } from './examples.js';

/** Opens an example in a tab of its own. */
export function ExamplesMenu({ viewerKey }) {
  const { addTab } = useGraphiQLActions();
  const queryEditor = useGraphiQL((state) => state.queryEditor);
  const variableEditor = useGraphiQL((state) => state.variableEditor);

  function open(example) {
    addTab();
    queryEditor.setValue(example.query);
    variableEditor.setValue(JSON.stringify(example.variables(viewerKey), null, 2));
  }

  return (
    <ToolbarMenu
      button={
        <UnStyledButton type="button" className="examples-button">
          Examples <ChevronDownIcon aria-hidden="true" />
        </UnStyledButton>
      }
    >
      {EXAMPLES.map((example) => (
        <ToolbarMenu.Item key={example.title} onSelect={() => open(example)}>
          {example.title}
        </ToolbarMenu.Item>
      ))}
    </ToolbarMenu>
  );
}
