// The files of a folder by express.static, as one would host finished pictures.

import express from "express";

const { PORT, FOLDER } = process.env;

express()
  .disable("x-powered-by")
  .use(express.static(FOLDER, { immutable: true, maxAge: "365d" }))
  .listen(Number(PORT), "127.0.0.1", () => console.log("ready"));
