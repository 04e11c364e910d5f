/** macOS: a launch agent of the user. */
import { type Autostart, xml } from './types.ts';

const string = (text: string): string => `<string>${xml(text)}</string>`;

export const launchd: Autostart = {
  path: 'Library/LaunchAgents/ndi-courier.plist',
  encoding: 'utf8',
  text: ({ argv, env }) => `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key><string>ndi-courier</string>
  <key>ProgramArguments</key>
  <array>${argv.map(string).join('')}</array>
  <key>EnvironmentVariables</key>
  <dict>${Object.entries(env)
    .map(([name, value]) => `<key>${xml(name)}</key>${string(value)}`)
    .join('')}</dict>
  <key>RunAtLoad</key><true/>
  <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>
  <key>ThrottleInterval</key><integer>30</integer>
  <key>ExitTimeOut</key><integer>90</integer>
</dict>
</plist>
`,
  enable: (path) => [['launchctl', 'load', '-w', path]],
  disable: (path) => [['launchctl', 'unload', '-w', path]],
};
