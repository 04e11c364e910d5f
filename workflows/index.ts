/** Every workflow by its wire name: the function's name. */
export { diffDataset } from './diff-dataset.ts';
export { downloadDataset } from './download-dataset.ts';
export { nightlySync } from './nightly-sync.ts';
export { previewTransfer } from './preview-transfer.ts';
export { syncDataset } from './sync-dataset.ts';
export { transferFiles } from './transfer-files.ts';
export { uploadDataset } from './upload-dataset.ts';
