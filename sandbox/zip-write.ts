/**
 * Writing the one-entry zip of a bulk download (NDI Cloud contract §4.5). The header is written last, over a
 * placeholder, so that sizes stand where readers of the local header look for them, and no memory is needed.
 */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { pipeline, Readable } from 'node:stream';
import { crc32, createDeflateRaw } from 'node:zlib';

const MAX_BYTES = 0xffff_fffe;
const UTF8 = 0x0800;
const DEFLATE = 8;

/**
 * Writes `path` as a zip with one entry; answers its size and MD5. Throws above 4 GiB: nobody asks for that.
 */
export async function writeZip(
  path: string,
  name: string,
  content: AsyncIterable<Buffer>,
): Promise<{ size: number; md5: string }> {
  const file = await open(path, 'wx+');
  try {
    const nameBytes = Buffer.from(name);
    let position = 30 + nameBytes.length;
    let size = 0;
    let crc = 0;
    const counted = async function* (): AsyncGenerator<Buffer> {
      for await (const chunk of content) {
        size += chunk.length;
        crc = crc32(chunk, crc);
        yield chunk;
      }
    };
    for await (const part of pipeline(
      Readable.from(counted()),
      createDeflateRaw({ level: 1 }),
      () => undefined,
    )) {
      const chunk = part as Buffer;
      await file.write(chunk, 0, chunk.length, position);
      position += chunk.length;
    }
    const packed = position - 30 - nameBytes.length;
    if (size > MAX_BYTES || position > MAX_BYTES) throw new Error('too large for a bulk-download zip');
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(UTF8, 2);
    common.writeUInt16LE(DEFLATE, 4);
    common.writeUInt16LE(0x5a21, 8); // 2025-01-01: a zip needs a date, nobody reads it
    common.writeUInt32LE(crc >>> 0, 10);
    common.writeUInt32LE(packed, 14);
    common.writeUInt32LE(size, 18);
    common.writeUInt16LE(nameBytes.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), common, nameBytes]);
    const central = Buffer.concat([
      Buffer.from('PK\x01\x02\x14\x00', 'latin1'),
      common,
      Buffer.alloc(14),
      nameBytes,
    ]);
    const end = Buffer.alloc(22);
    end.write('PK\x05\x06', 'latin1');
    end.writeUInt16LE(1, 8);
    end.writeUInt16LE(1, 10);
    end.writeUInt32LE(central.length, 12);
    end.writeUInt32LE(position, 16);
    await file.write(local, 0, local.length, 0);
    await file.write(Buffer.concat([central, end]), 0, central.length + end.length, position);
    const total = position + central.length + end.length;
    const hash = createHash('md5');
    for await (const chunk of file.createReadStream({
      start: 0,
      autoClose: false,
      highWaterMark: 1024 * 1024,
    }))
      hash.update(chunk);
    return { size: total, md5: hash.digest('hex') };
  } finally {
    await file.close();
  }
}
