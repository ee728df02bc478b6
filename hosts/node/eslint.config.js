// What is wanted of all TypeScript and JavaScript of the project. `npm run lint` looks at it from the root of the repository, because
// files above the working folder are none of ESLint's business.
import js from '@eslint/js';
import globals from 'globals';
import ts from 'typescript-eslint';

const here = import.meta.dirname;

/** What is wanted of JavaScript by its types, as far as they are inferred: no promise is left to itself. */
const OF_PROMISES = {
  '@typescript-eslint/await-thenable': 'error',
  // A test that is declared is the runner's.
  '@typescript-eslint/no-floating-promises': ['error', { allowForKnownSafeCalls: [{ from: 'package', name: 'test', package: 'node:test' }] }],
  '@typescript-eslint/no-misused-promises': 'error',
  '@typescript-eslint/return-await': 'error',
};

export default ts.config(
  { ignores: ['**/node_modules/', '**/dist/', '**/native/', '**/wasm/', '!bindings/wasm/', 'target/', 'dist/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,
  {
    files: ['hosts/node/src/**/*.ts'],
    extends: [ts.configs.strictTypeChecked, ts.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { project: 'tsconfig.json', tsconfigRootDir: here } },
    rules: {
      // `() => this.wake()` and `.catch(() => {})` say what they mean; a number in a text is its digits.
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-empty-function': ['error', { allow: ['arrowFunctions'] }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
    },
  },
  {
    files: ['**/*.mjs', '**/*.js'],
    extends: [ts.configs.base],
    languageOptions: {
      globals: globals.node,
      parserOptions: { project: 'tsconfig.scripts.json', tsconfigRootDir: here },
    },
    rules: OF_PROMISES,
  },
);
