/** Every workflow by its wire name: the function's name. */
export { downloadDataset } from './download-dataset.ts';
export { uploadDataset } from './upload-dataset.ts';
