/** Every crash scenario of the layers below src/index. */
import type { CrashScenario } from '../crash-explorer.ts';
import { fileScenarios } from './file-scenarios.ts';
import { indexScenarios } from './index-scenarios.ts';
import { walScenarios } from './wal-scenarios.ts';

export const allScenarios: readonly CrashScenario[] = [...fileScenarios, ...walScenarios, ...indexScenarios];
