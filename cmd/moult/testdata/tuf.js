// Reads a target as tuf-js, another implementation of TUF, does. State is kept in a folder whose root.json is trusted.
// node tuf.js STATE URL TARGET
const fs = require('fs');
const { Updater } = require('tuf-js');

const [state, url, target] = process.argv.slice(2);
(async () => {
  const updater = new Updater({ metadataDir: state, targetDir: state, metadataBaseUrl: url + '/metadata', targetBaseUrl: url + '/targets' });
  await updater.refresh();
  const info = await updater.getTargetInfo(target);
  if (!info) throw new Error('there is no target ' + target);
  process.stdout.write(fs.readFileSync(await updater.downloadTarget(info, state + '/target')));
})().catch((err) => {
  console.error(err);
  process.exit(1);
});
