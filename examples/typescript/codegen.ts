import type { CodegenConfig } from '@graphql-codegen/cli';

const config: CodegenConfig = {
  // Without a copy of the file, the endpoint of a server that allows introspection does as well.
  schema: process.env.KEYTAG_SCHEMA ?? '../../schema.graphqls',
  documents: 'src/operations.ts',
  generates: {
    'src/gql/': {
      preset: 'client',
      presetConfig: { fragmentMasking: false },
      config: {
        documentMode: 'string',
        strictScalars: true,
        scalars: { DateTime: 'string', Duration: 'string' },
        enumsAsTypes: true,
        useTypeImports: true,
        emitLegacyCommonJSImports: false,
      },
    },
  },
};

export default config;
