/**
 * Windows: a task that starts at logon. A task has no environment of its own, so `cmd` sets the variables.
 */
import { type Autostart, xml } from './types.ts';

export const windows: Autostart = {
  path: 'AppData/Local/ndi-courier/ndi-courier-task.xml',
  encoding: 'utf16le',
  text: ({ argv, env }) => {
    const sets = Object.entries(env).map(([name, value]) => `set "${name}=${value}" && `);
    const line = `${sets.join('')}${argv.map((word) => `"${word}"`).join(' ')}`;
    return `<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <Triggers><LogonTrigger><Enabled>true</Enabled></LogonTrigger></Triggers>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure><Interval>PT1M</Interval><Count>999</Count></RestartOnFailure>
  </Settings>
  <Actions>
    <Exec><Command>cmd.exe</Command><Arguments>${xml(`/d /s /c "${line}"`)}</Arguments></Exec>
  </Actions>
</Task>
`;
  },
  enable: (path) => [
    ['schtasks', '/Create', '/F', '/TN', 'ndi-courier', '/XML', path],
    ['schtasks', '/Run', '/TN', 'ndi-courier'],
  ],
  disable: () => [
    ['schtasks', '/End', '/TN', 'ndi-courier'],
    ['schtasks', '/Delete', '/F', '/TN', 'ndi-courier'],
  ],
};
