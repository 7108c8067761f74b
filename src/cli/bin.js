#!/usr/bin/env node
// The only JavaScript here: Node reads all the rest from its compile cache, and does not even load what takes TypeScript apart,
// which costs every command 60 ms.
import { enableCompileCache } from 'node:module';

enableCompileCache();
await import('./start.ts');
