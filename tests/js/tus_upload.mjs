// Uploads one file with tus-js-client and tells what happens, a JSON object a line.
// node tus_upload.mjs '{"endpoint", "path", "chunkSize", "metadata", "storage"?, "retryDelays"?}'

import { createReadStream } from "node:fs";
import { FileUrlStorage, Upload } from "tus-js-client";

const { endpoint, path, chunkSize, metadata, storage, retryDelays } = JSON.parse(process.argv[2]);

const tell = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

const upload = new Upload(createReadStream(path), {
  endpoint,
  chunkSize,
  metadata,
  retryDelays,
  urlStorage: storage ? new FileUrlStorage(storage) : undefined,
  storeFingerprintForResuming: Boolean(storage),
  onBeforeRequest: (request) => tell({ event: "request", method: request.getMethod() }),
  onAfterResponse: (request, response) => {
    tell({
      event: "response",
      method: request.getMethod(),
      status: response.getStatus(),
      offset: response.getHeader("Upload-Offset") ?? null,
      jobId: response.getHeader("Safelight-Job-Id") ?? null,
    });
  },
  onChunkComplete: (size, accepted) => tell({ event: "chunk", size, accepted }),
  onError: (error) => {
    tell({ event: "error", message: error.message });
    process.exitCode = 1;
  },
  onSuccess: () => tell({ event: "success", url: upload.url }),
});

const [previous] = storage ? await upload.findPreviousUploads() : [];
if (previous) {
  tell({ event: "previous", url: previous.uploadUrl });
  upload.resumeFromPreviousUpload(previous);
}
upload.start();
